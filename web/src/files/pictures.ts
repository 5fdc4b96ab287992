// The pictures of a chat, and which one of them is shown large.

import { listBranch } from "../branch.ts";
import { Cell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import type { Part } from "../../../clients/typescript/src/events.ts";
import type { FilePart } from "../../../clients/typescript/src/schema.ts";

export interface ShownPicture {
  /** All pictures of the chat that are loaded, in their order. */
  readonly pictures: readonly FilePart[];
  readonly index: number;
}

/** The picture in the viewer; null when it is closed. */
export const shownPicture = new Cell<ShownPicture | null>(null);

/** True if the service makes small pictures of the file, as of all pictures that it can read. */
export const isPicture = ({ media_type, width }: FilePart): boolean => media_type.startsWith("image/") && width !== null;

/** Show a picture of the chat in the viewer. */
export function showPicture(conversation: Conversation, picture: FilePart): void {
  const path = listBranch(conversation.tree, conversation.head.value);
  const parts = path.flatMap(({ id }) => conversation.getMessage(id).value.parts);
  const pictures = parts.flatMap(filesIn).filter(isPicture);
  const index = pictures.indexOf(picture);
  shownPicture.value = index < 0 ? { pictures: [picture], index: 0 } : { pictures, index };
}

/** Return the file that a part is, or the files that its function returned. */
const filesIn = (part: Part): readonly FilePart[] =>
  part.type === "file" ? [part] : part.type === "tool_call" ? (part.files ?? []) : [];
