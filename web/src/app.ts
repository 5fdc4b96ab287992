// What the page is about: the list of sessions, the one that is open, and what is on its way to the service.

import { get, newId } from "./api.ts";
import { Cell } from "./cell.ts";
import { Conversation } from "./conversation.ts";
import type { FeedEvent } from "./events.ts";
import { Library } from "./library.ts";
import { saying } from "./notice.ts";
import { type Letter, Outbox } from "./outbox.ts";
import type { AssistantPage, AssistantView, Message, RunAnswer } from "./schema.ts";

/** Functions that this client runs; the service brings their descriptions. */
const CLIENT_TOOLS = [{ name: "ask_user" }];
/** What a session is called until it has a title: the service finds one when the first answer is complete. */
export const UNTITLED = "New chat";
/** How much of an answer is read out when it is complete, in characters. */
const SPOKEN = 800;
/** What is said before an answer that is not complete. */
const ENDED: Partial<Record<Message["status"], string>> = {
  failed: "The answer failed",
  cancelled: "The answer was stopped",
  incomplete: "The answer was cut off",
  interrupted: "The service stopped in the middle of the answer",
};

export class App {
  readonly library = new Library();
  readonly outbox: Outbox;
  readonly open: Cell<Conversation>;
  readonly assistants = new Cell<readonly AssistantView[]>([]);
  readonly assistant = new Cell<string | null>(null);
  /** What a screen reader should say now: that an answer begins, and the whole of it when it is there. */
  readonly spoken = new Cell("");

  constructor() {
    this.outbox = new Outbox((letter, answer) => this.#delivered(letter, answer));
    this.open = new Cell(this.#conversation(address().session));
    this.#reveal();
    addEventListener("hashchange", () => this.#visit(address().session));
    get<AssistantPage>("assistants").then((page) => (this.assistants.value = page.data), saying("No assistants"));
  }

  /** Say something in the open session; `parent` when it is not after its head. */
  send(content: string, parent?: string | null): void {
    const { id, isNew } = this.open.value;
    const body = {
      content,
      on_busy: this.#whenBusy(id),
      tools: CLIENT_TOOLS,
      ...(parent === undefined ? {} : { parent_id: parent }),
    };
    this.outbox.add({ session: id, create: isNew.value ? { id, assistant: this.assistant.value } : null, body });
    if (isNew.value) history.replaceState(null, "", `#${id}`);
  }

  /** Have a user message answered once more; a second click while that is on its way means nothing else. */
  answerAgain(message: string): void {
    const isAsked = ({ body, refused }: Letter): boolean => "message_id" in body && body.message_id === message && refused === null;
    if (this.outbox.letters.value.some(isAsked)) return;
    const { id } = this.open.value;
    this.outbox.add({ session: id, create: null, body: { message_id: message, on_busy: this.#whenBusy(id) } });
  }

  /** Who says something while they see an answer come cuts it off; an answer nobody could see yet is waited for. */
  #whenBusy(session: string): "interrupt" | "reject" {
    return this.outbox.holds(session) ? "reject" : "interrupt";
  }

  startNew(): void {
    history.pushState(null, "", location.pathname);
    this.#visit("");
  }

  #visit(id: string): void {
    if (id !== this.open.value.id) {
      this.open.value.close();
      this.open.value = this.#conversation(id);
    }
    this.#reveal();
  }

  #reveal(): void {
    const { session, message } = address();
    if (message === undefined) return;
    history.replaceState(null, "", `#${session}`); // it is shown once: a reload goes on where one was since
    void this.open.value.reveal(message).catch(saying("The message could not be shown"));
  }

  #conversation(id: string): Conversation {
    const isUnborn = id === "" || this.outbox.letters.value.some((letter) => letter.session === id && letter.create);
    const conversation = new Conversation(id || newId(), isUnborn, (event) => this.#heard(event));
    conversation.open.watch(() => this.#speak(conversation));
    conversation.link.watch(() => (conversation.link.value === "gone" ? this.library.changed() : undefined));
    return conversation;
  }

  #speak(conversation: Conversation): void {
    const { open, head } = conversation;
    if (open.value) this.spoken.value = open.value.waits ? "The assistant has a question." : "The assistant is answering.";
    else if (head.value) this.spoken.value = spoken(conversation.message(head.value).value);
  }

  #delivered(letter: Letter, answer: RunAnswer | null): void {
    const conversation = this.open.value;
    if (letter.session === conversation.id) conversation.acknowledge(answer);
    this.library.changed();
  }

  #heard(event: FeedEvent): void {
    if (event.type === "run.started") this.outbox.hear(event.run.session_id, textOf(event.user_message));
    if (event.type === "run.finished") this.outbox.deliver(); // what waited for this answer
    if (["run.started", "run.finished", "session.updated"].includes(event.type))
      this.library.changed();
  }
}

/** How the answer ended, and what it says. */
const spoken = (answer: Message): string => `${ENDED[answer.status] ?? "Answer"}: ${textOf(answer).slice(0, SPOKEN)}`;

/** The page's address: `#SESSION`, or `#SESSION/MESSAGE` for a place in it, until it is shown. What is no id is none: links are anybody's. */
function address(): { session: string; message: string | undefined } {
  const [, session, message] = /^#([0-9a-f-]{36})(?:\/([0-9a-f-]{36}))?$/.exec(location.hash) ?? [];
  return { session: session ?? "", message };
}

/** What a message says, in its own Markdown: for the clipboard, for editing, for reading out. */
export function textOf(message: Message): string {
  const said = message.parts.map((part) => {
    if (part.type === "text" || part.type === "refusal") return part.text;
    if (part.type === "tool_call" && part.kind === "reply" && part.name !== "suggest_replies")
      return Object.values(part.arguments ?? {}).map(plain).join("\n\n");
    return "";
  });
  return said.filter((text) => text !== "").join("\n\n");
}

/** A value of a function's arguments or output, for reading. */
export const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
