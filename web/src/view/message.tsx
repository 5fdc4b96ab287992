import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type App, textOf } from "../app.ts";
import { type Cell, useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { hasEnded, type Part } from "../events.ts";
import { saying } from "../notice.ts";
import type { Message, Run } from "../schema.ts";
import { Call } from "./calls.tsx";
import { focusComposer, refocus } from "./focus.ts";
import { IconButton } from "./icons.tsx";
import { Prose } from "./prose.tsx";

interface Props {
  readonly app: App;
  readonly conversation: Conversation;
  readonly id: string;
  /** The ids of all answers to the same message, or of all messages in the same place; its own is one of them. */
  readonly siblings: readonly string[];
  readonly isLast: boolean;
}

/** A message with what can be done about it. It draws itself again when it grows; the list around it does not. */
export function MessageView(props: Props) {
  const message = useCell(props.conversation.message(props.id));
  return message.role === "user" ? <Said {...props} message={message} /> : <Answer {...props} message={message} />;
}

function Said({ app, message, isLast, ...rest }: Props & { message: Message }) {
  const [isEdited, setEdited] = useState(false);
  const article = useRef<HTMLElement>(null);
  const send = (text: string): void => {
    setEdited(false);
    app.send(text, message.parent_id);
    focusComposer();
  };
  const refocusEdit = (): void => refocus(article.current?.querySelector("[aria-label=Edit]"));
  useLayoutEffect(() => (isEdited ? refocusEdit : undefined), [isEdited]);
  return (
    <article ref={article} class={isLast ? "said last" : "said"} data-message={message.id}>
      <h2 class="unseen">You said</h2>
      {isEdited ? (
        <Editor text={textOf(message)} send={send} leave={() => setEdited(false)} />
      ) : (
        <div class="bubble" dir="auto">{textOf(message)}</div>
      )}
      <div class="actions">
        <Walk {...rest} />
        <Copy text={() => textOf(message)} />
        <IconButton name="pencil" label="Edit" run={() => setEdited(true)} />
      </div>
    </article>
  );
}

function Answer({ app, conversation, message, isLast, ...rest }: Props & { message: Message }) {
  const isLive = !hasEnded(message.status);
  const again = (): void => {
    app.answerAgain(message.parent_id!);
    focusComposer();
  };
  return (
    <article class={isLast ? "answer last" : "answer"} aria-busy={message.status === "in_progress"} data-message={message.id}>
      <h2 class="unseen">The assistant answered</h2>
      {message.parts.map((part, index) => (
        <PartView key={index} part={part} isLive={isLive && index === message.parts.length - 1}
          answer={(call, output) => conversation.answer(message.run_id!, call, output)} />
      ))}
      {message.status === "in_progress" && isQuiet(message.parts.at(-1)) && <p class="thinking"><i /><i /><i /></p>}
      {message.run_id && message.status !== "completed" && !isLive && (
        <Ending run={conversation.run(message.run_id)} status={message.status} again={again} />
      )}
      {!isLive && (
        <div class="actions">
          <Walk conversation={conversation} {...rest} />
          <Copy text={() => textOf(message)} />
          <IconButton name="again" label="Answer again" run={again} />
        </div>
      )}
    </article>
  );
}

/** Whether nothing on the page moves although the run does. */
const isQuiet = (part: Part | undefined): boolean => part === undefined || part.type === "step" || part.type === "tool_call";

function PartView({ part, isLive, answer }: { part: Part; isLive: boolean; answer: (call: string, output: unknown) => Promise<void> }) {
  switch (part.type) {
    case "text":
    case "refusal":
      return <Prose text={part.text} isLive={isLive} />;
    case "reasoning":
      return (
        <details class="reasoning">
          <summary>{isLive ? "Thinking…" : "Thoughts"}</summary>
          <p dir="auto">{part.text}</p>
        </details>
      );
    case "tool_call":
      return <Call call={part} answer={answer} />;
    case "step":
      return null;
  }
}

const ENDINGS: Partial<Record<Message["status"], string>> = {
  failed: "The answer failed.",
  interrupted: "The service stopped in the middle. What it had said is kept.",
  cancelled: "Stopped.",
};
const CUTS: Readonly<Record<string, string>> = {
  length: "The answer reached the model's length limit.",
  content_filter: "The provider's content filter cut the answer off.",
  missing: "The answer was cut off on its way.",
};

function Ending({ run, status, again }: { run: Cell<Run | null>; status: Message["status"]; again: () => void }) {
  const known = useCell(run);
  if (status === "cancelled") return <p class="ending soft">Stopped.</p>;
  const cut = status === "incomplete" ? CUTS[known?.finish_reason ?? ""] : undefined;
  return (
    <div class="ending note">
      <p>{cut ?? ENDINGS[status] ?? "The answer is not complete."}</p>
      {known?.error && <p class="soft">{known.error.message}</p>}
      <button type="button" onClick={again}>Try again</button>
    </div>
  );
}

function Walk({ conversation, id, siblings }: Pick<Props, "conversation" | "id" | "siblings">) {
  const open = useCell(conversation.open);
  const at = siblings.indexOf(id);
  if (siblings.length < 2) return null;
  const walk = (step: number): void => void conversation.walk(siblings[at + step]!).catch(saying("Could not switch"));
  return (
    <div class="walk" role="group" aria-label="Versions">
      <IconButton name="left" label="Version before" run={() => walk(-1)} disabled={at === 0 || open !== null} />
      <span>{at + 1}/{siblings.length}</span>
      <IconButton name="right" label="Next version" run={() => walk(1)} disabled={at === siblings.length - 1 || open !== null} />
    </div>
  );
}

function Copy({ text }: { text: () => string }) {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    const timer = isDone ? setTimeout(() => setDone(false), 2_000) : undefined;
    return () => clearTimeout(timer);
  }, [isDone]);
  const copy = (): void => void copyText(text()).then(() => setDone(true), saying("Could not copy"));
  return <IconButton name={isDone ? "check" : "copy"} label={isDone ? "Copied" : "Copy"} run={copy} />;
}

/** Copy, also where the page is not served over https and the clipboard's own interface does not exist. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  if (!isDone) throw new Error("the browser refused");
}

function Editor({ text, send, leave }: { text: string; send: (text: string) => void; leave: () => void }) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(text.length, text.length);
  }, []);
  const submit = (event: Event): void => {
    event.preventDefault();
    const changed = area.current!.value;
    if (changed.trim() !== "") send(changed);
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Escape") leave();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  return (
    <form class="editor" onSubmit={submit}>
      <textarea ref={area} aria-label="Edit your message" dir="auto" defaultValue={text} onKeyDown={press} />
      <div>
        <button type="button" class="quiet" onClick={leave}>Cancel</button>
        <button type="submit" class="main">Send</button>
      </div>
    </form>
  );
}
