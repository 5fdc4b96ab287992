// Removes what this browser keeps of files that no draft and no item of the outbox refers to any more: those of another
// tab that was closed in the middle, and all of them once the user has left.

import * as storage from "../storage.ts";
import * as keptBytes from "./kept-bytes.ts";

/** The ids of files that the service has are stored under this and the files' keys. */
export const BROUGHT_PREFIX = "brought.";
/** The names of texts in which references to files stand, as JSON. */
const REFERRING_PREFIXES = ["draft-files.", "outbox."];

/** Remove all that nothing refers to. */
export async function sweepFiles(): Promise<void> {
  await keptBytes.sweep(listUsedKeys);
  const used = listUsedKeys();
  const brought = storage.listNames(BROUGHT_PREFIX).map((name) => name.slice(BROUGHT_PREFIX.length));
  for (const key of brought) if (!used.has(key)) storage.remove(BROUGHT_PREFIX + key);
}

function listUsedKeys(): ReadonlySet<string> {
  const texts = REFERRING_PREFIXES.flatMap((prefix) => storage.listNames(prefix)).map((name) => storage.load(name) ?? "");
  return new Set(texts.flatMap((text) => [...text.matchAll(/"key":"([^"]+)"/g)].map(([, key]) => key!)));
}
