// Tool calls as cards. A few functions have a layout of their own; all others are shown as a table of their fields.

import { useState } from "preact/hooks";
import { formatValue } from "../app.ts";
import { reportFailure } from "../notice.ts";
import { parsePartialObject } from "../partial-json.ts";
import { listQuotes } from "../quotes.ts";
import type { ToolCallPart } from "../../../clients/typescript/src/schema.ts";
import { DocumentCard } from "./document.tsx";
import { focusComposer } from "./focus.ts";
import { Quotes } from "./quotes.tsx";
import { words } from "../words.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Props {
  readonly call: ToolCallPart;
  /** Sends the output of a client function's call. */
  readonly onAnswer: (callId: string, output: unknown) => Promise<void>;
  /** Lists the versions of the document in the branch, oldest first, up to the message of the call. */
  readonly listDocuments: () => readonly Fields[];
}

/** A tool call. While its arguments stream, it shows those that have arrived. */
export function ToolCall({ call, onAnswer, listDocuments }: Props) {
  const fields: Fields | null = call.arguments ?? parsePartialObject(call.arguments_text);
  if (call.state === "failed") return <FailedCall call={call} />;
  if (call.kind === "action") return <ActionCall call={call} fields={fields} />;
  if (call.kind === "client") return <Question call={call} fields={fields} onAnswer={onAnswer} />;
  const quotes = <Quotes quotes={listQuotes(call)} />;
  if (call.name === "write_document" && fields !== null)
    return (
      <DocumentCard fields={fields} isLive={call.state === "streaming"} listDocuments={listDocuments} quotes={quotes} />
    );
  if (call.name === "suggest_replies") return null; // shown below the answer
  const Layout = LAYOUTS[call.name] ?? FieldTable;
  return (
    <section class={`card ${call.name}`} aria-label={toWords(call.name)} aria-busy={call.state === "streaming"}>
      <h3>{words.cards.titles[call.name] ?? toWords(call.name)}</h3>
      {fields === null ? <p class="soft">…</p> : <Layout fields={listQuotes(call).length ? without(fields, "quotes") : fields} />}
      {quotes}
      {call.state === "cancelled" && <p class="soft">{words.cards.cutOff}</p>}
    </section>
  );
}

const without = (fields: Fields, name: string): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));

/** Components for the arguments of reply functions, by function name. */
const LAYOUTS: Readonly<Record<string, (props: { fields: Fields }) => preact.JSX.Element>> = {
  explain_joke: ({ fields }) => (
    <ol class="joke">
      {Object.entries(words.cards.joke).map(([name, label]) => (
        <li key={name}>
          <h4>{label}</h4>
          <p dir="auto">{formatValue(fields[name] ?? "")}</p>
        </li>
      ))}
    </ol>
  ),
  detect_sarcasm: ({ fields }) => (
    <>
      <blockquote dir="auto">{formatValue(fields["quote"] ?? "")}</blockquote>
      {typeof fields["score"] === "number" && <Gauge score={fields["score"]} />}
    </>
  ),
  tell_joke: ({ fields }) => <p class="statement" dir="auto">{formatValue(fields["text"] ?? "")}</p>,
};

const MAX_SCORE = 9;

function Gauge({ score }: { score: number }) {
  const { verdicts } = words.cards;
  const verdict = verdicts[Math.round((score / MAX_SCORE) * (verdicts.length - 1))] ?? "";
  return (
    <div class="gauge">
      <div class="cells" role="meter" aria-label={words.cards.sarcasm} aria-valuemin={0} aria-valuemax={MAX_SCORE}
        aria-valuenow={score} aria-valuetext={`${score} ${words.cards.of(MAX_SCORE)}: ${verdict}`}>
        {Array.from({ length: MAX_SCORE }, (_, index) => <i key={index} class={index < score ? "full" : ""} />)}
      </div>
      <p aria-hidden="true">
        <strong>{score}</strong><span class="soft"> {words.cards.of(MAX_SCORE)}</span> {verdict}
      </p>
    </div>
  );
}

function FieldTable({ fields }: { fields: Fields }) {
  return (
    <dl class="fields">
      {Object.entries(fields).filter(([, value]) => !isEmpty(value)).map(([name, value]) => (
        <div key={name}>
          <dt>{toWords(name)}</dt>
          <dd dir="auto"><Value value={value} /></dd>
        </div>
      ))}
    </dl>
  );
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === "" || (Array.isArray(value) && value.length === 0);

function Value({ value }: { value: unknown }) {
  if (Array.isArray(value) && value.every((item) => typeof item !== "object"))
    return <ul>{value.map((item, index) => <li key={index} dir="auto">{formatValue(item)}</li>)}</ul>;
  if (typeof value === "object" && value !== null) return <pre>{formatValue(value)}</pre>;
  return <>{formatValue(value)}</>;
}

function ActionCall({ call, fields }: { call: ToolCallPart; fields: Fields | null }) {
  return (
    <details class={`card action ${call.state}`}>
      <summary>
        <span class="name">{toWords(call.name)}</span>
        <span class="state">{words.cards.states[call.state]}</span>
      </summary>
      {call.state === "unknown" && (
        <p>{words.cards.unknown}</p>
      )}
      <h4>{words.cards.askedWith}</h4>
      {fields && Object.keys(fields).length > 0 ? <FieldTable fields={fields} /> : <p class="soft">{words.cards.nothing}</p>}
      {call.state === "succeeded" && <><h4>{words.cards.answered}</h4><Output value={call.output} /></>}
    </details>
  );
}

const Output = ({ value }: { value: unknown }) => {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? <FieldTable fields={{ ...value }} /> : <p dir="auto">{formatValue(value)}</p>;
};

function FailedCall({ call }: { call: ToolCallPart }) {
  return (
    <details class="card action failed">
      <summary>
        <span class="name">{toWords(call.name)}</span>
        <span class="state">{words.cards.failed(call.error?.message ?? words.cards.noReason)}</span>
      </summary>
      <h4>{words.cards.askedWith}</h4>
      <pre>{call.arguments_text || words.cards.nothing}</pre>
    </details>
  );
}

/** A call of `ask_user`, answered with a button. */
function Question({ call, fields, onAnswer }: Omit<Props, "listDocuments"> & { readonly fields: Fields | null }) {
  const [choiceOnItsWay, setChoiceOnItsWay] = useState<string | null>(null);
  const currentChoice = (call.output as { choice?: unknown } | null)?.choice ?? choiceOnItsWay;
  const choices = Array.isArray(fields?.["choices"]) ? fields["choices"].map(formatValue) : [];
  const choose = (choice: string): void => {
    setChoiceOnItsWay(choice);
    focusComposer();
    onAnswer(call.call_id, { choice }).catch((error: unknown) => {
      setChoiceOnItsWay(null);
      reportFailure(words.cards.choiceNotSent)(error);
    });
  };
  return (
    <section class="card question" aria-label={words.cards.question}>
      <p class="statement" dir="auto">{formatValue(fields?.["question"] ?? "…")}</p>
      <div class="choices" role="group" aria-label={words.cards.choices}>
        {choices.map((choice) => (
          <button key={choice} type="button" dir="auto" aria-pressed={choice === currentChoice}
            onClick={() => choose(choice)} disabled={call.state !== "waiting" || choiceOnItsWay !== null}>
            {choice}
          </button>
        ))}
      </div>
      {call.state === "cancelled" && <p class="soft">{words.cards.notChosen}</p>}
    </section>
  );
}

/** Return a `snake_case` name as words. */
const toWords = (name: string): string => name.replaceAll("_", " ");
