// A chat as a file: Markdown for people, JSON for programs. Made here, of the messages that the page has loaded.

import { textOf } from "./app.ts";
import { downloadText, nameFile } from "./clipboard.ts";
import { listBranch } from "./branch.ts";
import type { Conversation } from "./conversation.ts";
import { formatFully } from "./dates.ts";
import { words } from "./words.ts";

/** Hand the chat to the browser as a file, which saves it. Messages that are not loaded are missing. */
export function saveChat(conversation: Conversation, format: "markdown" | "json"): void {
  const name = nameFile(conversation.session.value?.title ?? words.untitled);
  if (format === "markdown") downloadText(toMarkdown(conversation), `${name}.md`, "text/markdown");
  else downloadText(toJson(conversation), `${name}.json`, "application/json");
}

/** Return the active branch as Markdown: a heading for each message, and its text as it was written. */
function toMarkdown(conversation: Conversation): string {
  const messages = listBranch(conversation.tree, conversation.head.value).map(({ id }) => conversation.getMessage(id).value);
  const sections = messages.map((message) => {
    const heading = message.role === "user" ? words.youSaid : words.assistantAnswered;
    const files = message.parts.flatMap((part) => (part.type === "file" ? [`*${words.files.exported(part.name)}*`] : []));
    return `${[`## ${heading}`, `*${formatFully(message.created_at)}*`, ...files, textOf(message)].join("\n\n")}\n`;
  });
  return [`# ${conversation.session.value?.title ?? words.untitled}\n`, ...sections].join("\n");
}

/** Return the session and all messages of all branches, oldest first, as the HTTP API has them. */
function toJson(conversation: Conversation): string {
  const nodes = [...conversation.tree.values()].sort((one, other) => one.seq - other.seq);
  const messages = nodes.map(({ id }) => conversation.getMessage(id).value);
  return `${JSON.stringify({ session: conversation.session.value, messages }, null, 2)}\n`;
}
