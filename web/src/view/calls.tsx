// Function calls as cards: a shape for those we know, a table of fields for all others.

import { useState } from "preact/hooks";
import { plain } from "../app.ts";
import { saying } from "../notice.ts";
import { readPartial } from "../partial.ts";
import type { ToolCallPart } from "../schema.ts";
import { focusComposer } from "./focus.ts";

type Fields = Readonly<Record<string, unknown>>;

/** `answer` sends what the user chose back to the function that waits. */
export function Call({ call, answer }: { call: ToolCallPart; answer: (call: string, output: unknown) => Promise<void> }) {
  const fields: Fields | null = call.arguments ?? readPartial(call.arguments_text);
  if (call.state === "failed") return <Failed call={call} />;
  if (call.kind === "action") return <Action call={call} fields={fields} />;
  if (call.kind === "client") return <Question call={call} fields={fields} answer={answer} />;
  if (call.name === "suggest_replies") return null; // shown below the answer
  const Shape = SHAPES[call.name] ?? Table;
  return (
    <section class={`card ${call.name}`} aria-label={words(call.name)} aria-busy={call.state === "streaming"}>
      <h3>{TITLES[call.name] ?? words(call.name)}</h3>
      {fields === null ? <p class="soft">…</p> : <Shape fields={fields} />}
      {call.state === "cancelled" && <p class="soft">Stopped before it was complete.</p>}
    </section>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  explain_joke: "The joke, explained",
  detect_sarcasm: "Sarcasm",
  tell_joke: "A joke",
};

const SHAPES: Readonly<Record<string, (props: { fields: Fields }) => preact.JSX.Element>> = {
  explain_joke: ({ fields }) => (
    <ol class="joke">
      {Object.entries({ setup: "Set-up", premise: "What you expect", punchline: "Punchline" }).map(([name, label]) => (
        <li key={name}>
          <h4>{label}</h4>
          <p dir="auto">{plain(fields[name] ?? "")}</p>
        </li>
      ))}
    </ol>
  ),
  detect_sarcasm: ({ fields }) => (
    <>
      <blockquote dir="auto">{plain(fields["quote"] ?? "")}</blockquote>
      {typeof fields["score"] === "number" && <Gauge score={fields["score"]} />}
    </>
  ),
  tell_joke: ({ fields }) => <p class="told" dir="auto">{plain(fields["text"] ?? "")}</p>,
};

const HIGHEST = 9;
const VERDICTS = ["Entirely sincere", "Mostly sincere", "A hint of sarcasm", "Rather sarcastic", "Dripping with sarcasm"];

function Gauge({ score }: { score: number }) {
  const verdict = VERDICTS[Math.round((score / HIGHEST) * (VERDICTS.length - 1))] ?? "";
  return (
    <div class="gauge">
      <div class="cells" role="meter" aria-label="Sarcasm" aria-valuemin={0} aria-valuemax={HIGHEST} aria-valuenow={score}
        aria-valuetext={`${score} of ${HIGHEST}: ${verdict}`}>
        {Array.from({ length: HIGHEST }, (_, index) => <i key={index} class={index < score ? "full" : ""} />)}
      </div>
      <p aria-hidden="true">
        <strong>{score}</strong><span class="soft"> of {HIGHEST}</span> {verdict}
      </p>
    </div>
  );
}

function Table({ fields }: { fields: Fields }) {
  return (
    <dl class="fields">
      {Object.entries(fields).map(([name, value]) => (
        <div key={name}>
          <dt>{words(name)}</dt>
          <dd dir="auto"><Value value={value} /></dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ value }: { value: unknown }) {
  if (Array.isArray(value) && value.every((item) => typeof item !== "object"))
    return <ul>{value.map((item, index) => <li key={index} dir="auto">{plain(item)}</li>)}</ul>;
  if (typeof value === "object" && value !== null) return <pre>{plain(value)}</pre>;
  return <>{plain(value)}</>;
}

const STATES: Readonly<Record<ToolCallPart["state"], string>> = {
  streaming: "being asked for",
  ready: "about to run",
  running: "running",
  waiting: "waiting",
  succeeded: "done",
  failed: "failed",
  unknown: "outcome unknown",
  cancelled: "did not happen",
};

function Action({ call, fields }: { call: ToolCallPart; fields: Fields | null }) {
  return (
    <details class={`card action ${call.state}`}>
      <summary>
        <span class="name">{words(call.name)}</span>
        <span class="state">{STATES[call.state]}</span>
      </summary>
      {call.state === "unknown" && <p>The service stopped while it ran. It may have happened or not; it is not run again.</p>}
      <h4>Asked with</h4>
      {fields && Object.keys(fields).length > 0 ? <Table fields={fields} /> : <p class="soft">Nothing.</p>}
      {call.state === "succeeded" && <><h4>Answered</h4><Output value={call.output} /></>}
    </details>
  );
}

const Output = ({ value }: { value: unknown }) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? <Table fields={{ ...value }} /> : <p dir="auto">{plain(value)}</p>;

function Failed({ call }: { call: ToolCallPart }) {
  return (
    <details class="card action failed">
      <summary>
        <span class="name">{words(call.name)}</span>
        <span class="state">failed: {call.error?.message ?? "no reason given"}</span>
      </summary>
      <h4>Asked with</h4>
      <pre>{call.arguments_text || "Nothing."}</pre>
    </details>
  );
}

interface QuestionProps {
  readonly call: ToolCallPart;
  readonly fields: Fields | null;
  readonly answer: (call: string, output: unknown) => Promise<void>;
}

function Question({ call, fields, answer }: QuestionProps) {
  const [asked, setAsked] = useState<string | null>(null);
  const chosen = (call.output as { choice?: unknown } | null)?.choice ?? asked;
  const choices = Array.isArray(fields?.["choices"]) ? fields["choices"].map(plain) : [];
  const choose = (choice: string): void => {
    setAsked(choice);
    focusComposer();
    answer(call.call_id, { choice }).catch((error: unknown) => {
      setAsked(null);
      saying("Your choice was not sent")(error);
    });
  };
  return (
    <section class="card question" aria-label="A question for you">
      <p class="told" dir="auto">{plain(fields?.["question"] ?? "…")}</p>
      <div class="choices" role="group" aria-label="Choices">
        {choices.map((choice) => (
          <button key={choice} type="button" dir="auto" aria-pressed={choice === chosen} onClick={() => choose(choice)}
            disabled={call.state !== "waiting" || asked !== null}>
            {choice}
          </button>
        ))}
      </div>
      {call.state === "cancelled" && <p class="soft">Nobody chose.</p>}
    </section>
  );
}

/** `snake_case` in words. */
const words = (name: string): string => name.replaceAll("_", " ");
