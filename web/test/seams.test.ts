import assert from "node:assert/strict";
import { test } from "node:test";
import type { Part } from "../../clients/typescript/src/events.ts";
import { joinSeams } from "../src/seams.ts";

const text = (content: string): Part => ({ type: "text", text: content });
const thought: Part = { type: "reasoning", text: "hm" };
const step: Part = { type: "step" };
const seam: Part = { type: "handover", from: "a", to: "b", reason: "model_unavailable" };
const shown = (parts: readonly Part[]): string[] =>
  joinSeams(parts).map(({ part }) => (part.type === "text" ? part.text : part.type));

test("the two sides of a seam are one text", () => {
  assert.deepEqual(shown([text("To get to the oth"), seam, text("er side.")]), ["To get to the other side.", "handover"]);
  assert.deepEqual(shown([text("a"), seam, thought, text("b"), text("c")]), ["ab", "handover", "reasoning", "c"]);
  assert.deepEqual(shown([text("a"), seam, text("b"), seam, text("c")]), ["abc", "handover", "handover"]);
});

test("a text of another step is not joined", () => {
  assert.deepEqual(shown([text("a"), step, seam, text("b")]), ["a", "step", "handover", "b"]);
  assert.deepEqual(shown([text("a"), seam, step, text("b")]), ["a", "handover", "step", "b"]);
  assert.deepEqual(shown([seam, text("a")]), ["handover", "a"]);
});

test("the text that grows is the one with the last part", () => {
  const growing = (parts: readonly Part[]): number[] =>
    joinSeams(parts).flatMap(({ index, isLast }) => (isLast ? [index] : []));
  assert.deepEqual(growing([text("a"), seam, text("b")]), [0]);
  assert.deepEqual(growing([text("a"), seam]), [1]);
  assert.deepEqual(growing([text("a"), seam, text("b"), thought]), [3]);
  assert.deepEqual(growing([]), []);
});
