// Every word about exports and imports, in German.

import type { archives as english } from "./en-archives.ts";

export const archives: typeof english = {
  exportAll: "Alle Chats speichern",
  importChats: "Chats importieren",
  importing: "Wird importiert …",
  importFailed: "Die Chats konnten nicht importiert werden",
  imported: (chats, messages) => `${chats} Chats mit ${messages} Nachrichten wurden importiert.`,
  alreadyThere: (chats) => `${chats} Chats waren schon da.`,
  breaksOff: "Die Datei bricht ab: Chats können fehlen.",
  notTaken: (count, kind, reason) => `Nicht übernommen: ${kind} (${reason}): ${count}`,
};
