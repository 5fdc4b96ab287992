import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePartialObject } from "../src/partial-json.ts";

const WHOLE = { quote: 'a "quoted" \\ \n é😀', score: -12.5, deep: { list: [1, "two", [true, null]] }, last: false };
const TEXT = JSON.stringify(WHOLE).replace("é", "\\u00e9");

test("a text can be read wherever it is cut, and no value is made up", () => {
  for (let at = 0; at <= TEXT.length; at++) {
    const fields = parsePartialObject(TEXT.slice(0, at));
    if (at > 0) assert.notEqual(fields, null, TEXT.slice(0, at));
    for (const [name, value] of Object.entries(fields ?? {})) {
      const whole = WHOLE[name as keyof typeof WHOLE];
      if (typeof whole === "string") assert.ok(whole.startsWith(value as string), `${value}`);
      else if (name !== "deep" && name !== "score") assert.equal(value, whole);
    }
  }
  assert.deepEqual(parsePartialObject(TEXT), WHOLE);
});

test("a text that is no object is null", () => {
  for (const text of ["", "[1]", '"x"', "nonsense", "{]"]) assert.equal(parsePartialObject(text), null, text);
});

test("a field appears with the first character of its value", () => {
  assert.deepEqual(parsePartialObject('{"setup":"W'), { setup: "W" });
  assert.deepEqual(parsePartialObject('{"setup":"Why?","prem'), { setup: "Why?" });
  assert.deepEqual(parsePartialObject('{"a":"x\\'), { a: "x" });
  assert.deepEqual(parsePartialObject('{"a":"x\\u00'), { a: "x" });
});
