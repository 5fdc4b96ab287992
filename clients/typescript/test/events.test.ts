import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { apply, fold, hasEnded } from "../src/events.ts";
import type { Event, Message } from "../src/schema.ts";

const streams = new URL("../../../tests/streams/", import.meta.url);

for (const name of readdirSync(streams)) {
  test(`${name} folds to the message that the service stores`, () => {
    const lines = readFileSync(new URL(name, streams), "utf-8").trimEnd().split("\n");
    const expected = JSON.parse(lines.pop()!) as Message;
    assert.deepEqual(fold(lines.map((line) => JSON.parse(line) as Event)), expected);
  });
}

test("a fold does not change its events", () => {
  const lines = readFileSync(new URL("correction.jsonl", streams), "utf-8").trimEnd().split("\n").slice(0, -1);
  const events = lines.map((line) => deepFreeze(JSON.parse(line) as Event));
  assert.equal(fold(events).status, "completed");
});

test("a log begins with run.started", () => {
  assert.throws(() => fold([{ type: "text.delta", position: 1, index: 0, text: "x" }]), /run\.started/);
});

test("a part cannot appear out of order or change its kind", () => {
  const message = { parts: [{ type: "text", text: "x" }] } as unknown as Message;
  assert.throws(() => apply(message, { type: "text.delta", position: 1, index: 5, text: "x" }), /part 5/);
  assert.throws(() => apply(message, { type: "reasoning.delta", position: 1, index: 0, text: "x" }), /does not fit/);
  assert.throws(() => apply(message, { type: "tool_call.running", position: 1, index: 0 }), /no function call/);
});

test("two statuses are open, all others have ended", () => {
  const all = ["in_progress", "requires_action", "completed", "incomplete", "failed", "cancelled", "interrupted"] as const;
  assert.deepEqual(all.filter((status) => !hasEnded(status)), ["in_progress", "requires_action"]);
});

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
