// What a list of events means: the same fold as `src/chatkeep/log.py`, held to the same streams (`tests/streams`).

import type { Event, Message, Session, ToolCallPart } from "./schema.ts";

export type Part = Message["parts"][number];
export type RunStatus = Message["status"];

/** What comes on a session's feed: its runs' events, and between them what happened to the session itself. */
export type FeedEvent =
  | (Event & { run_id: string })
  | { type: "session.updated"; session: Session }
  | { type: "session.deleted"; session_id: string };

/** Whether a run in `status` will never change again. */
export const hasEnded = (status: RunStatus): boolean => status !== "in_progress" && status !== "requires_action";

/** The assistant message that `events`, a run's log from its first event on, tell of. */
export function fold(events: readonly Event[]): Message {
  const [first, ...rest] = events;
  if (first?.type !== "run.started") throw new Error("a log begins with run.started");
  return rest.reduce(apply, first.message);
}

/** `message` after `event`. A part appears with the first event that names its index. */
export function apply(message: Message, event: Event): Message {
  switch (event.type) {
    case "run.started":
      return event.message;
    case "text.delta":
    case "reasoning.delta":
    case "refusal.delta":
      return grown(message, event.index, event.type.slice(0, -6) as "text" | "reasoning" | "refusal", event.text);
    case "step.started":
      return withPart(message, event.index, { type: "step" });
    case "tool_call.started":
      return withPart(message, event.index, newCall(event));
    case "tool_call.delta":
      return withCall(message, event.index, (call) => ({ arguments_text: call.arguments_text + event.arguments_text }));
    case "tool_call.ready":
      return withCall(message, event.index, () => ({ arguments: event.arguments, state: "ready" }));
    case "tool_call.running":
      return withCall(message, event.index, () => ({ state: "running" }));
    case "tool_call.finished":
      return withCall(message, event.index, () => ({ state: event.state, output: event.output, error: event.error }));
    case "run.waiting":
      return { ...message, status: "requires_action", parts: message.parts.map((part) => waiting(part, event.calls)) };
    case "run.resumed":
      return { ...message, status: "in_progress" };
    case "run.finished":
      return { ...message, status: event.run.status };
  }
}

function newCall({ call_id, name, kind }: Pick<ToolCallPart, "call_id" | "name" | "kind">): ToolCallPart {
  const nothing = { arguments_text: "", arguments: null, output: null, error: null };
  return { type: "tool_call", call_id, name, kind, state: "streaming", ...nothing };
}

function grown(message: Message, index: number, type: "text" | "reasoning" | "refusal", text: string): Message {
  const part = message.parts[index];
  if (part === undefined) return withPart(message, index, { type, text });
  if (part.type !== type) throw new Error(`${type} does not fit the part at ${index}`);
  return withPart(message, index, { type, text: part.text + text });
}

function withPart(message: Message, index: number, part: Part): Message {
  if (index > message.parts.length) throw new Error(`part ${index} of a message that has ${message.parts.length}`);
  return { ...message, parts: [...message.parts.slice(0, index), part, ...message.parts.slice(index + 1)] };
}

function withCall(message: Message, index: number, change: (call: ToolCallPart) => Partial<ToolCallPart>): Message {
  const call = message.parts[index];
  if (call?.type !== "tool_call") throw new Error(`part ${index} is no function call`);
  return withPart(message, index, { ...call, ...change(call) });
}

const waiting = (part: Part, calls: readonly string[]): Part =>
  part.type === "tool_call" && calls.includes(part.call_id) ? { ...part, state: "waiting" } : part;
