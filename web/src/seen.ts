// Up to when the user has seen each session, in this browser. A session that was used after that has a new answer.
//
// A session that was never opened here counts as seen: it may have been read on another device.

import { Cell } from "./cell.ts";
import type { Session } from "../../clients/typescript/src/schema.ts";
import * as storage from "./storage.ts";

type Times = Readonly<Record<string, string>>;

const STORED_AS = "seen";
const MAX_SESSIONS = 500;

/** For each session that was opened here, its `updated_at` when it was last in view. */
export const seen = new Cell<Times>(load());

storage.onChange(STORED_AS, () => (seen.value = load()));

/** Note that the user has a session in view as it is now. */
export function markSeen({ id, updated_at }: Session): void {
  if ((seen.value[id] ?? "") >= updated_at) return;
  const entries = Object.entries({ ...seen.value, [id]: updated_at });
  entries.sort(([, one], [, other]) => (one < other ? 1 : -1)); // times in ISO 8601 sort as text
  seen.value = Object.fromEntries(entries.slice(0, MAX_SESSIONS));
  storage.save(STORED_AS, JSON.stringify(seen.value));
}

/** True if an answer has ended in a session since it was last in view here. */
export const isUnread = ({ id, status, updated_at }: Session, times: Times): boolean =>
  status === "idle" && id in times && updated_at > times[id]!;

function load(): Times {
  return storage.loadObject(STORED_AS) as Times;
}
