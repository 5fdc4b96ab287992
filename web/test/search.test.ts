import assert from "node:assert/strict";
import { test } from "node:test";
import { splitAtWords } from "../src/search.ts";

test("any query splits a text, whatever is in it", () => {
  for (const word of ["foo-bar", "don't", "a@b", "x_y", "a,b", "“x”", "C++", "(?", "[a", "\\", "€5", "1.5"])
    assert.deepEqual(splitAtWords(`so ${word} it is`, word), ["so ", word, " it is"], word);
});

test("a text is split at each word of the query", () => {
  assert.deepEqual(splitAtWords("To get to the other side", "other to"), ["", "To", " get ", "to", " the ", "other", " side"]);
  assert.deepEqual(splitAtWords("as it is", " "), ["as it is"]);
});
