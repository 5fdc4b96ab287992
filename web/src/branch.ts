// The tree of a session's messages: which of them are on the active branch, and which ways lead off it. Pure.
//
// Everything since some message is known, of all branches, and a child always comes after its parent. So all
// siblings of a message are known as soon as its parent is (or nothing older is left).

import type { Message } from "./schema.ts";

/** What never changes of a message. */
export type Node = Pick<Message, "id" | "parent_id" | "seq">;
export type Tree = ReadonlyMap<string, Node>;

/** From the oldest message that is known down to `head`. */
export function branch(tree: Tree, head: string | null): Node[] {
  const path: Node[] = [];
  for (let at = head; at !== null; ) {
    const node = tree.get(at);
    if (node === undefined) break;
    path.push(node);
    at = node.parent_id;
  }
  return path.reverse();
}

/** For each parent (null: none), the ids of what follows it, oldest first. */
export function children(tree: Tree): Map<string | null, string[]> {
  const found = new Map<string | null, string[]>();
  for (const { id, parent_id } of [...tree.values()].sort((one, two) => one.seq - two.seq)) {
    const siblings = found.get(parent_id);
    if (siblings) siblings.push(id);
    else found.set(parent_id, [id]);
  }
  return found;
}

/** Where a branch that goes through `id` has come to: the newest child of the newest child … */
export function leaf(families: ReadonlyMap<string | null, readonly string[]>, id: string): string {
  for (let at = id; ; ) {
    const next = families.get(at)?.at(-1);
    if (next === undefined) return at;
    at = next;
  }
}
