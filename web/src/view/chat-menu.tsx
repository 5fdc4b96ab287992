import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { saveChat } from "../export.ts";
import { reportFailure } from "../notice.ts";
import { words } from "../words.ts";
import { Menu } from "./menu.tsx";
import { removeSessions } from "./session-rows.tsx";

/** Have the browser save the chat as the service exports it; it comes as a file, so the page stays. */
const openExport = (id: string, format: "html" | "jsonl"): void =>
  location.assign(`api/sessions/${id}/export?format=${format}`);

/** The menu of the open chat: save it, print it, delete it. */
export function ChatMenu({ app, conversation }: { app: App; conversation: Conversation }) {
  const session = useCell(conversation.session);
  if (session === null) return null;
  const withAll = (action: () => void): void =>
    void conversation.loadAll().then(action).catch(reportFailure(words.exportFailed));
  const save = (format: "markdown" | "json"): void =>
    withAll(() => saveChat(conversation, format));
  const print = (): void => withAll(() => void requestAnimationFrame(() => setTimeout(() => window.print()))); // once drawn
  return (
    <Menu label={words.chatMenu} items={[
      { label: words.exportMarkdown, icon: "download", onClick: () => save("markdown") },
      { label: words.exportJson, icon: "download", onClick: () => save("json") },
      { label: words.exportHtml, icon: "download", onClick: () => openExport(session.id, "html") },
      { label: words.exportArchive, icon: "download", onClick: () => openExport(session.id, "jsonl") },
      { label: words.print, icon: "print", onClick: print },
      { label: words.delete, icon: "bin", onClick: () => removeSessions(app, [session]) },
    ]} />
  );
}
