import assert from "node:assert/strict";
import { test } from "node:test";
import { listQuotes } from "../src/quotes.ts";

test("quotations are those of the output, with the page where they were found", () => {
  const quote = { text: "No pets.", file: "lease.pdf", page: 2 };
  const call = { arguments: { quotes: [quote] }, output: { quotes: [{ ...quote, found: true, found_page: 3 }] } };
  assert.deepEqual(listQuotes(call), [{ ...quote, page: 3, found: true }]);
  assert.deepEqual(listQuotes({ ...call, output: null }), [{ ...quote, found: null }]);
});

test("one that does not stand in the document says so", () => {
  const output = { quotes: [{ text: "Pets are welcome.", file: null, page: null, found: false }] };
  assert.deepEqual(listQuotes({ arguments: null, output }), output.quotes);
});

test("what is no quotation is left out", () => {
  assert.deepEqual(listQuotes({ arguments: null, output: null }), []);
  assert.deepEqual(listQuotes({ arguments: null, output: "text" }), []);
  assert.deepEqual(listQuotes({ arguments: null, output: { quotes: [null, 7, { text: 7 }, "x"] } }), []);
});
