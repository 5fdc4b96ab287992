// Every word about exports and imports, in English.

export const archives = {
  exportAll: "Save all chats",
  importChats: "Import chats",
  importing: "Importing …",
  importFailed: "The chats could not be imported",
  imported: (chats: number, messages: number) => `${chats} chats with ${messages} messages were imported.`,
  alreadyThere: (chats: number) => `${chats} chats were here already.`,
  breaksOff: "The file breaks off: some chats may be missing.",
  notTaken: (count: number, kind: string, reason: string) => `Not taken: ${kind} (${reason}): ${count}`,
};
