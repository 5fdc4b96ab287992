import assert from "node:assert/strict";
import { test } from "node:test";
import { branch, children, leaf, type Node } from "../src/branch.ts";

/** a ─ b ─ c ─ d, an edit e of c with its answer f, and a second answer g to it. */
const nodes: Node[] = ["a", "b<a", "c<b", "d<c", "e<b", "f<e", "g<e"].map((text, seq) => {
  const [id, parent_id] = text.split("<");
  return { id: id!, parent_id: parent_id ?? null, seq };
});
const tree = new Map(nodes.map((node) => [node.id, node]));
const ids = (path: readonly Node[]): string => path.map((node) => node.id).join("");

test("a branch leads from the first message to the head", () => {
  assert.equal(ids(branch(tree, "d")), "abcd");
  assert.equal(ids(branch(tree, "f")), "abef");
  assert.equal(ids(branch(tree, null)), "");
});

test("a branch begins where what is known begins", () => {
  const known = new Map([...tree].filter(([id]) => id !== "a"));
  assert.equal(ids(branch(known, "g")), "beg");
  assert.equal(ids(branch(known, "unknown")), "");
});

test("siblings are in the order in which they came", () => {
  const shuffled = new Map([...tree].reverse());
  assert.deepEqual(children(shuffled), new Map<string | null, string[]>([
    [null, ["a"]], ["a", ["b"]], ["b", ["c", "e"]], ["c", ["d"]], ["e", ["f", "g"]],
  ]));
});

test("walking to a sibling goes on to the newest message below it", () => {
  assert.equal(leaf(children(tree), "c"), "d");
  assert.equal(leaf(children(tree), "e"), "g");
  assert.equal(leaf(children(tree), "f"), "f");
});
