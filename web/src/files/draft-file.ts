// A file of a message that is not delivered yet: of a draft, or of an item of the outbox. Its bytes are kept beside, by
// its key (`kept-bytes.ts`), until the message is delivered.

import { createId } from "../../../clients/typescript/src/request.ts";
import type { FilePart } from "../../../clients/typescript/src/schema.ts";

/** The service's own limit for a message. */
export const MAX_FILES = 16;

/** Browsers store it as JSON, so the fields keep their names. */
export interface DraftFile {
  /** Names its bytes in this browser; or the service's file, if `isStored`. */
  readonly key: string;
  readonly name: string;
  /** As the browser knows it; empty if it does not. The service looks into the bytes. */
  readonly media_type: string;
  readonly bytes: number;
  /** True for a file that the service has for good: it stands in a message that is edited or asked anew. */
  readonly isStored: boolean;
}

/** Return a file that the user has just chosen, with a new key. */
export const fromBrowser = ({ type, size }: File, name: string): DraftFile =>
  ({ key: createId(), name, media_type: type, bytes: size, isStored: false });

/** Return the file of a message that was delivered, for a new version of it. */
export const fromPart = ({ file_id, name, media_type, bytes }: FilePart): DraftFile =>
  ({ key: file_id, name, media_type, bytes, isStored: true });

/** Read draft files that were stored as JSON; none if it cannot be read. */
export function parseDraftFiles(text: string): readonly DraftFile[] {
  if (text === "") return [];
  try {
    return JSON.parse(text) as readonly DraftFile[];
  } catch (error) {
    console.warn("the files of a draft are not read:", error);
    return [];
  }
}

/**
 * Return the files of what is pasted. Office programs add a picture of the text that was copied: the text is meant.
 *
 * `types` are those of the clipboard, `files` its files.
 */
export function filesOfPaste(types: readonly string[], files: readonly File[]): readonly File[] {
  const isFormattedText = types.includes("text/plain") && types.includes("text/html");
  return isFormattedText ? [] : files;
}

/** The name that browsers give to every picture in the clipboard. */
const PASTED_NAME = /^image(?=\.\w+$)/;

/** Return a name for a pasted file. Pictures in the clipboard have none, and so are named by the time. */
export function nameOfPaste(name: string, prefix: string, now: Date): string {
  const [date, time] = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().split("T");
  return name.replace(PASTED_NAME, `${prefix} ${date} ${time!.slice(0, 8).replaceAll(":", ".")}`);
}
