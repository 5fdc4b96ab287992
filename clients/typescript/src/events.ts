// The fold: turns the events of a run into its message.
//
// Events are applied one by one, so the message is current after each of them. `src/chatkeep/chat/event_log.py` is the
// same fold in Python. Tests hold both to the same recorded streams (`tests/streams`), so that a message built from a
// stream is equal to the message that the service stores. Messages are never changed in place.

import type { Event, Message, ProviderStateKept, Session, ToolCallPart } from "./schema.ts";

export type Part = Message["parts"][number];
export type RunStatus = Message["status"];

/** An event of a session stream: an event of one of the session's runs, or a change of the session itself. */
export type SessionEvent =
  | (Event & { run_id: string })
  | { type: "session.updated"; session: Session }
  | { type: "session.deleted"; session_id: string };

/** True if a run in `status` never changes again. */
export const hasEnded = (status: RunStatus): boolean => status !== "in_progress" && status !== "requires_action";

/** Return the message that a run's log amounts to. `events` start with the first event of the run. */
export function fold(events: readonly Event[]): Message {
  const [first, ...rest] = events;
  if (first?.type !== "run.started") throw new Error("a log begins with run.started");
  return rest.reduce(apply, first.message);
}

/** Return `message` as it is after `event`. The first event that names an index adds the part at that index. */
export function apply(message: Message, event: Event): Message {
  switch (event.type) {
    case "run.started":
      return event.message;
    case "text.delta":
    case "reasoning.delta":
    case "refusal.delta":
      return appendText(message, event.index, event.type.slice(0, -6) as TextType, event.text);
    case "step.started":
      return setPart(message, event.index, { type: "step" });
    case "handover":
      return setPart(message, event.index, { type: "handover", from: event.from, to: event.to, reason: event.reason });
    case "tool_call.started":
      return setPart(message, event.index, createCall(event));
    case "tool_call.delta":
      return updateCall(message, event.index, (call) => appendArguments(call, event.arguments_text));
    case "provider_state":
      return setState(message, event);
    case "tool_call.ready":
      return updateCall(message, event.index, () => ({ arguments: event.arguments, state: "ready" }));
    case "tool_call.running":
      return updateCall(message, event.index, () => ({ state: "running" }));
    case "tool_call.finished":
      return updateCall(message, event.index, () => ({
        state: event.state,
        output: event.output,
        error: event.error,
        ...(event.files === undefined ? {} : { files: event.files }),
      }));
    case "run.waiting":
      return setWaiting(message, event.calls);
    case "run.resumed":
      return { ...message, status: "in_progress" };
    case "run.finished":
      return { ...message, status: event.run.status };
  }
}

type TextType = "text" | "reasoning" | "refusal";

function createCall({ call_id, name, kind }: Pick<ToolCallPart, "call_id" | "name" | "kind">): ToolCallPart {
  const empty = { arguments_text: "", arguments: null, output: null, error: null };
  return { type: "tool_call", call_id, name, kind, state: "streaming", ...empty };
}

function appendText(message: Message, index: number, type: TextType, text: string): Message {
  const part = message.parts[index];
  if (part === undefined) return setPart(message, index, { type, text });
  if (part.type !== type) throw new Error(`${type} does not fit the part at ${index}`);
  return setPart(message, index, { ...part, text: part.text + text });
}

function setState(message: Message, { index, provider, model, value }: ProviderStateKept): Message {
  const part = message.parts[index] ?? { type: "reasoning", text: "" };
  if (part.type === "step" || part.type === "refusal" || part.type === "handover" || part.type === "file")
    throw new Error(`part ${index} has no state of a provider`);
  return setPart(message, index, { ...part, provider_state: { provider, model, value } });
}

function setPart(message: Message, index: number, part: Part): Message {
  if (index > message.parts.length) throw new Error(`part ${index} of a message that has ${message.parts.length}`);
  return { ...message, parts: [...message.parts.slice(0, index), part, ...message.parts.slice(index + 1)] };
}

function updateCall(message: Message, index: number, update: (call: ToolCallPart) => Partial<ToolCallPart>): Message {
  const call = message.parts[index];
  if (call?.type !== "tool_call") throw new Error(`part ${index} is no function call`);
  return setPart(message, index, { ...call, ...update(call) });
}

const appendArguments = ({ arguments_text }: ToolCallPart, text: string): Partial<ToolCallPart> => ({
  arguments_text: arguments_text + text,
});

function setWaiting(message: Message, callIds: readonly string[]): Message {
  const parts = message.parts.map((part): Part =>
    part.type === "tool_call" && callIds.includes(part.call_id) ? { ...part, state: "waiting" } : part,
  );
  return { ...message, status: "requires_action", parts };
}
