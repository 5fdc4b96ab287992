// The versions of a document: the calls of `write_document` in a branch. Each holds the whole text.

import { listBranch } from "./branch.ts";
import type { Conversation } from "./conversation.ts";
import type { Message } from "../../clients/typescript/src/schema.ts";

export type DocumentFields = Readonly<Record<string, unknown>>;

/** Return the versions in the branch that ends with the message `id`, as far as it is loaded, oldest first. */
export function listDocuments(conversation: Conversation, id: string): readonly DocumentFields[] {
  const messages = listBranch(conversation.tree, id).map((node) => conversation.getMessage(node.id).value);
  return messages.flatMap(documentsOf);
}

const documentsOf = ({ parts }: Message): readonly DocumentFields[] =>
  parts.flatMap((part) => {
    const isDocument = part.type === "tool_call" && part.name === "write_document" && part.state === "succeeded";
    return isDocument && part.arguments ? [part.arguments] : [];
  });

/** A run of text that stays, comes or goes from one version to the next. */
export interface Change {
  readonly text: string;
  readonly kind: "kept" | "added" | "removed";
}

/** Texts that differ too much are not compared for longer. */
const MAX_COMPARE_MS = 150;

/** Return what changed, by words. Null if the texts are too different. The library comes with the first call. */
export async function compare(before: string, after: string): Promise<readonly Change[] | null> {
  const { diffWordsWithSpace } = await import("diff");
  const changes = diffWordsWithSpace(before, after, { timeout: MAX_COMPARE_MS });
  return (
    changes?.map(({ value, added, removed }) => ({
      text: value,
      kind: added ? "added" : removed ? "removed" : "kept",
    })) ?? null
  );
}
