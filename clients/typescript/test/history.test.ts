import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionEvent } from "../src/events.ts";
import { applyToBranch, isOnBranch } from "../src/history.ts";
import type { Message } from "../src/schema.ts";

const message = (id: string, parent_id: string | null): Message => {
  const role = id.startsWith("q") ? "user" : "assistant";
  return { id, parent_id, role, run_id: `run of ${id}`, parts: [] } as unknown as Message;
};
const started = (user_message: Message, answer: Message): SessionEvent =>
  ({ type: "run.started", run_id: answer.run_id, user_message, message: answer }) as unknown as SessionEvent;
const updated = (head_id: string | null): SessionEvent =>
  ({ type: "session.updated", session: { head_id } }) as unknown as SessionEvent;

const branch = [message("q1", null), message("a1", "q1"), message("q2", "a1"), message("a2", "q2")];
const ids = (messages: readonly Message[]): string[] => messages.map(({ id }) => id);

test("a new run follows the last message, or begins another branch of it", () => {
  const added = started(message("q3", "a2"), message("a3", "q3"));
  assert.deepEqual(ids(applyToBranch(branch, added)), ["q1", "a1", "q2", "a2", "q3", "a3"]);
  const edited = started(message("q4", "a1"), message("a4", "q4"));
  assert.deepEqual(ids(applyToBranch(branch, edited)), ["q1", "a1", "q4", "a4"]);
  const answered = started(message("q2", "a1"), message("a5", "q2"));
  assert.deepEqual(ids(applyToBranch(branch, answered)), ["q1", "a1", "q2", "a5"]);
  const first = started(message("q6", null), message("a6", "q6"));
  assert.deepEqual(ids(applyToBranch(branch, first)), ["q6", "a6"]);
});

test("an event changes the answer of its run alone", () => {
  const delta: SessionEvent = { type: "text.delta", run_id: "run of a1", position: 2, index: 0, text: "x" };
  const changed = applyToBranch(branch, delta);
  assert.deepEqual(changed[1]!.parts, [{ type: "text", text: "x" }]);
  assert.equal(changed[3], branch[3]);
});

test("a run below a message of another branch, or another head, is not of this branch", () => {
  assert.equal(isOnBranch(branch, started(message("q7", "a2"), message("a7", "q7"))), true);
  assert.equal(isOnBranch(branch, started(message("q7", "elsewhere"), message("a7", "q7"))), false);
  assert.equal(isOnBranch(branch, updated("a2")), true);
  assert.equal(isOnBranch(branch, updated("a1")), false);
  assert.equal(isOnBranch([], updated(null)), true);
});
