import assert from "node:assert/strict";
import { test } from "node:test";
import { findBranchEnd, groupByParent, listBranch, type MessageNode } from "../src/branch.ts";

/** a ─ b ─ c ─ d; e is an edit of c, with the answers f and g. */
const nodes: MessageNode[] = ["a", "b<a", "c<b", "d<c", "e<b", "f<e", "g<e"].map((text, seq) => {
  const [id, parent_id] = text.split("<");
  return { id: id!, parent_id: parent_id ?? null, seq };
});
const tree = new Map(nodes.map((node) => [node.id, node]));
const ids = (path: readonly MessageNode[]): string => path.map((node) => node.id).join("");

test("a branch leads from the first message to the head", () => {
  assert.equal(ids(listBranch(tree, "d")), "abcd");
  assert.equal(ids(listBranch(tree, "f")), "abef");
  assert.equal(ids(listBranch(tree, null)), "");
});

test("a branch begins with the oldest message that is known", () => {
  const known = new Map([...tree].filter(([id]) => id !== "a"));
  assert.equal(ids(listBranch(known, "g")), "beg");
  assert.equal(ids(listBranch(known, "unknown")), "");
});

test("siblings are ordered from the oldest to the newest", () => {
  const shuffled = new Map([...tree].reverse());
  assert.deepEqual(groupByParent(shuffled), new Map<string | null, string[]>([
    [null, ["a"]], ["a", ["b"]], ["b", ["c", "e"]], ["c", ["d"]], ["e", ["f", "g"]],
  ]));
});

test("the end of a branch is the newest message below a sibling", () => {
  assert.equal(findBranchEnd(groupByParent(tree), "c"), "d");
  assert.equal(findBranchEnd(groupByParent(tree), "e"), "g");
  assert.equal(findBranchEnd(groupByParent(tree), "f"), "f");
});
