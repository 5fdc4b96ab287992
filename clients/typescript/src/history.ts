// The messages of a session's active branch, kept current by the events of the session's stream. Pure functions.

import { apply, type SessionEvent } from "./events.ts";
import type { Message } from "./schema.ts";

/** True if the branch `messages` is still the active one after `event`. If not, it has to be read again. */
export function isOnBranch(messages: readonly Message[], event: SessionEvent): boolean {
  if (event.type === "session.updated") return event.session.head_id === (messages.at(-1)?.id ?? null);
  if (event.type !== "run.started") return true;
  const parentId = event.user_message.parent_id;
  return parentId === null || messages.some(({ id }) => id === parentId);
}

/** Return the messages of the branch as they are after `event`. A new run makes its own branch the active one. */
export function applyToBranch(messages: readonly Message[], event: SessionEvent): readonly Message[] {
  if (event.type === "session.updated" || event.type === "session.deleted") return messages;
  if (event.type === "run.started") {
    const parentAt = messages.findIndex(({ id }) => id === event.user_message.parent_id);
    return [...messages.slice(0, parentAt + 1), event.user_message, event.message];
  }
  return messages.map((each) => (each.role === "assistant" && each.run_id === event.run_id ? apply(each, event) : each));
}
