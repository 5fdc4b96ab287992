import assert from "node:assert/strict";
import { test } from "node:test";
import { nameFile } from "../src/clipboard.ts";

test("a file is named by the letters of its title", () => {
  assert.equal(nameFile("Bees & more"), "Bees-more");
  assert.equal(nameFile("../etc: *passwd*?"), "etc-passwd");
  assert.equal(nameFile("हिन्दी में"), "हिन्दी-में");
  assert.equal(nameFile("???"), "chatkeep");
  assert.equal(nameFile("𝒳".repeat(200)), "𝒳".repeat(80));
});
