// The tree of a session's messages, and the branches in it. Pure functions.
//
// The page knows the newest messages of all branches, back to some oldest one. A child is always newer than its
// parent. So when a parent is known, all of its children are known.

import type { Message } from "../../clients/typescript/src/schema.ts";

/** The fields of a message that never change. */
export type MessageNode = Pick<Message, "id" | "parent_id" | "seq">;
export type MessageTree = ReadonlyMap<string, MessageNode>;
/** For each parent (null: no parent), the ids of its children, oldest first. */
export type ChildIds = ReadonlyMap<string | null, readonly string[]>;

/** Return the messages from the oldest known one down to `head`. Empty if the head is null or unknown. */
export function listBranch(tree: MessageTree, head: string | null): MessageNode[] {
  const path: MessageNode[] = [];
  for (let id = head; id !== null; ) {
    const node = tree.get(id);
    if (node === undefined) break;
    path.push(node);
    id = node.parent_id;
  }
  return path.reverse();
}

/** Group all messages by their parent. */
export function groupByParent(tree: MessageTree): ChildIds {
  const groups = new Map<string | null, string[]>();
  for (const { id, parent_id } of [...tree.values()].sort((one, other) => one.seq - other.seq)) {
    const siblings = groups.get(parent_id);
    if (siblings) siblings.push(id);
    else groups.set(parent_id, [id]);
  }
  return groups;
}

/** Return the last message below `id`: its newest child, the newest child of that, and so on. */
export function findBranchEnd(childIds: ChildIds, id: string): string {
  for (let end = id; ; ) {
    const newest = childIds.get(end)?.at(-1);
    if (newest === undefined) return end;
    end = newest;
  }
}
