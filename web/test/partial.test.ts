import assert from "node:assert/strict";
import { test } from "node:test";
import { readPartial } from "../src/partial.ts";

const WHOLE = { quote: 'a "quoted" \\ \n é😀', score: -12.5, deep: { list: [1, "two", [true, null]] }, last: false };
const TEXT = JSON.stringify(WHOLE).replace("é", "\\u00e9");

test("arguments can be read wherever they are cut, and never say what was not sent", () => {
  for (let at = 0; at <= TEXT.length; at++) {
    const fields = readPartial(TEXT.slice(0, at));
    if (at > 0) assert.notEqual(fields, null, TEXT.slice(0, at));
    for (const [name, value] of Object.entries(fields ?? {})) {
      const whole = WHOLE[name as keyof typeof WHOLE];
      if (typeof whole === "string") assert.ok(whole.startsWith(value as string), `${value}`);
      else if (name !== "deep" && name !== "score") assert.equal(value, whole);
    }
  }
  assert.deepEqual(readPartial(TEXT), WHOLE);
});

test("what is no object has no fields", () => {
  for (const text of ["", "[1]", '"x"', "nonsense", "{]"]) assert.equal(readPartial(text), null, text);
});

test("a field appears with the first character of its value", () => {
  assert.deepEqual(readPartial('{"setup":"W'), { setup: "W" });
  assert.deepEqual(readPartial('{"setup":"Why?","prem'), { setup: "Why?" });
  assert.deepEqual(readPartial('{"a":"x\\'), { a: "x" });
  assert.deepEqual(readPartial('{"a":"x\\u00'), { a: "x" });
});
