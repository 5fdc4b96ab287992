// How an answer ended, when it is not complete, and the ways on from there: by the error's code, in our words first.

import { useEffect, useState } from "preact/hooks";
import { type App, textOf } from "../app.ts";
import { listBranch } from "../branch.ts";
import { type Cell, useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { fromPart } from "../files/draft-file.ts";
import type { Message, Problem, Run } from "../../../clients/typescript/src/schema.ts";
import { words } from "../words.ts";
import { focusComposer } from "./focus.ts";

interface Props {
  readonly app: App;
  readonly conversation: Conversation;
  readonly message: Message;
  readonly run: Cell<Run | null>;
  readonly isLast: boolean;
  /** How many answers to the same message there are. */
  readonly attempts: number;
  readonly onAskAgain: () => void;
}

/** A note under an answer that is not complete. It says less until the run is fetched, since only that knows why. */
export function Ending(props: Props) {
  const { app, conversation, message, isLast } = props;
  const run = useCell(props.run);
  const goOn = (): void => {
    app.continueAnswer(message.id);
    focusComposer();
  };
  if (message.status === "cancelled")
    return (
      <p class="ending soft">
        {words.stopped}
        {isLast && canGoOn(message, null) && (
          <button type="button" class="quiet" onClick={goOn}>{words.continueAnswer}</button>
        )}
      </p>
    );
  const problem = run?.error ?? null;
  return (
    <div class="ending note">
      <p>{describe(message.status, run)}</p>
      {problem && problem.message !== "" && (
        <details>
          <summary>{words.detail}</summary>
          <p dir="auto">{problem.message}</p>
        </details>
      )}
      {isLast && run && isWaitable(problem, props.attempts) && (
        <Countdown key={run.id} run={run} onEnd={() => app.answerAgain(message.parent_id!, `again:${run.id}`)} />
      )}
      <div class="ways">
        {canGoOn(message, problem) && (
          <button type="button" onClick={goOn}>{words.continueAnswer}</button>
        )}
        {problem?.code !== "context_overflow" && (
          <button type="button" class={problem?.retryable === false ? "quiet" : ""} onClick={props.onAskAgain}>
            {words.tryAgain}
          </button>
        )}
        {needsOtherWords(problem) && <Rewording app={app} conversation={conversation} answer={message} />}
      </div>
    </div>
  );
}

/** True if an answer has something to go on from, and going on may end otherwise. */
const canGoOn = (message: Message, problem: Problem | null): boolean =>
  message.parts.length > 0 && problem?.retryable !== false;

function describe(status: Message["status"], run: Run | null): string {
  if (status === "interrupted") return words.interrupted;
  if (status === "failed") return words.errors[run?.error?.code ?? ""] ?? words.failed;
  if (run?.finish_reason === "length") return words.lengthLimit;
  if (run?.finish_reason === "content_filter") return words.contentFilter;
  return run?.finish_reason === "missing" ? words.cutOff : words.incomplete;
}

/** True if the same request fails again, and another one may not. */
const needsOtherWords = (problem: Problem | null): boolean =>
  problem?.code === "context_overflow" || problem?.code === "tool_steps_exceeded";

/** How often a message is answered again without the user. */
const MAX_ATTEMPTS = 3;

const isWaitable = (problem: Problem | null, attempts: number): boolean =>
  problem?.code === "model_rate_limited" && attempts < MAX_ATTEMPTS;

const DEFAULT_WAIT_SECONDS = 20;
/** For so long after a failure the page asks again by itself. Whose chat is older has other things on their mind. */
const MAX_WAIT_SECONDS = 120;
const SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, sec: 1, second: 1, seconds: 1, m: 60, min: 60, minute: 60, minutes: 60 };

/** Return the seconds that a provider asks to wait ("try again in 20s", "retry after 1.5 seconds"). */
function parseWait(text: string): number {
  const [, number, unit] = /(?:\bin|\bafter)\s+(\d+(?:\.\d+)?)\s*(ms|seconds?|sec|s|minutes?|min|m)\b/i.exec(text) ?? [];
  return number === undefined ? DEFAULT_WAIT_SECONDS : Math.ceil(Number(number) * SECONDS[unit!.toLowerCase()]!);
}

/**
 * Counts down to when the provider may be asked again, and then calls `onEnd`, unless the user says no.
 *
 * Not in a hidden tab, and not for a failure of long ago. Several tabs that show the chat make one request: `onEnd`
 * sends the same key from all.
 */
function Countdown({ run, onEnd }: { run: Run; onEnd: () => void }) {
  const failedAt = Date.parse(run.finished_at ?? run.created_at);
  const askAt = failedAt + 1_000 * parseWait(run.error?.message ?? "");
  const [now, setNow] = useState(Date.now());
  const [isOn, setOn] = useState(askAt > now && askAt - failedAt <= 1_000 * MAX_WAIT_SECONDS);
  const secondsLeft = Math.ceil((askAt - now) / 1_000);
  useEffect(() => {
    if (!isOn) return;
    if (secondsLeft <= 0 && !document.hidden) {
      setOn(false);
      return onEnd();
    }
    const timer = setTimeout(() => setNow(Date.now()), 1_000);
    return () => clearTimeout(timer);
  }, [now, isOn]);
  if (!isOn) return null;
  return (
    <p class="countdown">
      <span role="timer">{words.askingAgainIn(Math.max(0, secondsLeft))}</span>
      <button type="button" class="quiet" onClick={() => setOn(false)}>{words.doNotAskAgain}</button>
    </p>
  );
}

/** How many messages go along when a chat is too long to go on. */
const KEPT_MESSAGES = 4;
const MAX_KEPT_CHARS = 6_000;

/** Ways to ask in another way: with other words, without what was said before, or with only the last of it. */
function Rewording({ app, conversation, answer }: { app: App; conversation: Conversation; answer: Message }) {
  const path = listBranch(conversation.tree, answer.parent_id);
  const messages = path.map(({ id }) => conversation.getMessage(id).value);
  const question = messages.at(-1);
  const earlier = messages.slice(0, -1);
  if (question === undefined) return null;
  const text = textOf(question);
  const sendAnew = (content: string): void => {
    app.send(content, null, question.parts.filter((part) => part.type === "file").map(fromPart));
    focusComposer();
  };
  return (
    <>
      <button type="button" onClick={() => editMessage(question.id)}>{words.changeMessage}</button>
      {earlier.length > 0 && (
        <>
          <button type="button" onClick={() => sendAnew(`${quoteLast(earlier)}\n\n${text}`)}>
            {words.goOnWithLast}
          </button>
          <button type="button" onClick={() => sendAnew(text)}>{words.startOver}</button>
        </>
      )}
    </>
  );
}

const editMessage = (id: string): void =>
  document.querySelector<HTMLElement>(`[data-message="${id}"] [data-action=edit]`)?.click();

/** Return the last messages as a quotation, the oldest first, cut at its start if they are long. */
function quoteLast(messages: readonly Message[]): string {
  const said = messages.slice(-KEPT_MESSAGES).map((message) => {
    return `${message.role === "user" ? words.userSaid : words.assistantSaid}: ${textOf(message)}`;
  });
  const text = said.join("\n\n").slice(-MAX_KEPT_CHARS);
  return `${words.lastMessages}\n\n${text.replaceAll(/^/gm, "> ")}`;
}
