// The state of the page: the list of sessions, the open session, and the outbox. Components read it from cells.

import { createId, get } from "./api.ts";
import { Cell } from "./cell.ts";
import { Conversation } from "./conversation.ts";
import type { DraftFile } from "./files/draft-file.ts";
import { sweepFiles } from "./files/sweep.ts";
import { Uploads } from "./files/uploads.ts";
import { hasEnded, type SessionEvent } from "../../clients/typescript/src/events.ts";
import { reportFailure } from "./notice.ts";
import { type OutboxItem, Outbox } from "./outbox.ts";
import type {
  AssistantPage, AssistantView, Me, Message, ModelPage, ModelView, NewRun, NewSession, RunAnswer,
} from "../../clients/typescript/src/schema.ts";
import { joinSeams } from "./seams.ts";
import { markSeen } from "./seen.ts";
import { SessionList } from "./session-list.ts";
import * as storage from "./storage.ts";
import { words } from "./words.ts";

/** The client functions that this page offers. The service knows their descriptions. */
const CLIENT_TOOLS = [{ name: "ask_user" }];
/** A screen reader reads at most this much of an answer by itself. */
const MAX_ANNOUNCEMENT_CHARS = 800;
/** The name of the assistant that the page offers first. */
const FIRST_ASSISTANT = "default";
const ASSISTANT_STORED_AS = "assistant";

export type AccountDialogName = "account" | "tokens" | "usage" | "sign-out";
export type DialogName = "settings" | "keys" | AccountDialogName;

export class App {
  /** Who uses the page; null where the service does not ask. */
  readonly user: Me | null;
  readonly sessionList = new SessionList();
  readonly uploads = new Uploads();
  readonly outbox: Outbox;
  /** The open session. */
  readonly conversation: Cell<Conversation>;
  readonly assistants = new Cell<readonly AssistantView[]>([]);
  /** The assistant for the next new session; null: the service's default. */
  readonly assistant = new Cell<string | null>(storage.load(ASSISTANT_STORED_AS));
  readonly models = new Cell<readonly ModelView[]>([]);
  /** The model for the next new session; null: the assistant's, or the service's default. */
  readonly model = new Cell<string | null>(null);
  /** The dialog over the page; null when there is none. */
  readonly dialog = new Cell<DialogName | null>(null);
  /** The text for screen readers: first that an answer begins, then the whole answer. */
  readonly announcement = new Cell("");

  constructor(user: Me | null) {
    this.user = user;
    void sweepFiles();
    this.outbox = new Outbox(this.uploads, (item, answer) => this.#onDelivery(item, answer));
    this.conversation = new Cell(this.#createConversation(readAddress().sessionId));
    this.#revealAddressedMessage();
    addEventListener("hashchange", () => this.#openSession(readAddress().sessionId));
    this.sessionList.sessions.watch(() => this.#markSeen());
    document.addEventListener("visibilitychange", () => this.#markSeen());
    const show = ({ data }: AssistantPage): void => void (this.assistants.value = data.toSorted(compareAssistants));
    get<AssistantPage>("assistants").then(show, reportFailure(words.noAssistants));
    const offer = (page: ModelPage): void => void (this.models.value = page.data);
    get<ModelPage>("models").then(offer, reportFailure(words.noModels));
  }

  /** Send a message to the open session. `parentId` is the message it follows; undefined: the head; null: none. */
  send(text: string, parentId?: string | null, files: readonly DraftFile[] = []): void {
    const { id, isNew } = this.conversation.value;
    const body = {
      content: text,
      on_busy: this.#chooseOnBusy(id),
      tools: CLIENT_TOOLS,
      ...(parentId === undefined ? {} : { parent_id: parentId }),
    };
    this.outbox.add({ session: id, create: isNew.value ? this.#newSession(id) : null, body, files });
    if (isNew.value) history.replaceState(null, "", `#${id}`);
  }

  /** Return the assistant of this name, else the first one; undefined before they are loaded. */
  findAssistant(name: string | null): AssistantView | undefined {
    return this.assistants.value.find((each) => each.name === name) ?? this.assistants.value[0];
  }

  /** Choose the assistant for new sessions, also after a reload. */
  chooseAssistant(name: string): void {
    this.assistant.value = name;
    storage.save(ASSISTANT_STORED_AS, name);
  }

  #newSession(id: string): NewSession {
    const model = this.model.value;
    const isThere = this.findAssistant(this.assistant.value)?.name === this.assistant.value;
    return { id, assistant: isThere ? this.assistant.value : null, ...(model === null ? {} : { model }) };
  }

  /**
   * Request another answer to a user message. Does nothing while the same request is in the outbox.
   *
   * With a `key` of the caller's, several tabs that make the request get one answer.
   */
  answerAgain(messageId: string, key?: string): void {
    this.#requestRun({ message_id: messageId }, key);
  }

  /** Go on with an answer that was cut: a new one begins with it. */
  continueAnswer(answerId: string): void {
    this.#requestRun({ continue: answerId });
  }

  #requestRun(request: Pick<NewRun, "message_id" | "continue">, key?: string): void {
    const isSameRequest = ({ body, refused }: OutboxItem): boolean =>
      !("content" in body) && refused === null &&
      (body.message_id ?? body.continue) === (request.message_id ?? request.continue);
    if (this.outbox.items.value.some(isSameRequest)) return;
    const { id } = this.conversation.value;
    const onBusy = key === undefined ? this.#chooseOnBusy(id) : "reject"; // equal keys need equal requests
    this.outbox.add({ session: id, create: null, body: { ...request, on_busy: onBusy } }, key);
  }

  /** Leave the open session for a new one. */
  startNew(): void {
    history.pushState(null, "", location.pathname);
    this.#openSession("");
  }

  /** A new message interrupts an answer that the user can see. It waits for answers to messages still in the outbox. */
  #chooseOnBusy(sessionId: string): "interrupt" | "reject" {
    return this.outbox.hasPending(sessionId) ? "reject" : "interrupt";
  }

  /** The open session is seen while its tab is in view. */
  #markSeen(): void {
    const session = this.sessionList.sessions.value.find(({ id }) => id === this.conversation.value.id);
    if (session && !document.hidden) markSeen(session);
  }

  #openSession(id: string): void {
    if (id !== this.conversation.value.id) {
      this.conversation.value.close();
      this.conversation.value = this.#createConversation(id);
      this.#markSeen();
    }
    this.#revealAddressedMessage();
  }

  #revealAddressedMessage(): void {
    const { sessionId, messageId } = readAddress();
    if (messageId === undefined) return;
    history.replaceState(null, "", `#${sessionId}`); // reveal it once: a reload then shows the current branch
    void this.conversation.value.reveal(messageId).catch(reportFailure(words.messageNotShown));
  }

  /** An empty `id` means a new session. A session that still waits in the outbox is new, too. */
  #createConversation(id: string): Conversation {
    const isNew = id === "" || this.outbox.items.value.some((item) => item.session === id && item.create);
    const conversation = new Conversation(id || createId(), isNew, (event) => this.#onEvent(event));
    const { openRun, connection } = conversation;
    openRun.watch(() => this.#announce(conversation));
    connection.watch(() => (connection.value === "gone" ? this.sessionList.refreshAllTabs() : undefined));
    return conversation;
  }

  #announce(conversation: Conversation): void {
    const run = conversation.openRun.value;
    const head = conversation.head.value;
    if (run) this.announcement.value = run.isWaiting ? words.announceQuestion : words.announceAnswering;
    else if (head) this.announcement.value = describeAnswer(conversation.getMessage(head).value);
  }

  #onDelivery(item: OutboxItem, answer: RunAnswer | null): void {
    const conversation = this.conversation.value;
    if (item.session === conversation.id) {
      conversation.acknowledge(answer);
      // An answer that ended before the page saw it begin has never been open here.
      if (answer && hasEnded(answer.run.status)) this.announcement.value = describeAnswer(answer.message);
    }
    this.sessionList.refreshAllTabs();
  }

  #onEvent(event: SessionEvent): void {
    if (event.type === "run.started") this.outbox.noteEcho(event.run.session_id, event.user_message, textOf(event.user_message));
    if (event.type === "run.finished") this.outbox.deliver(); // an item may have waited for this run to end
  }
}

const compareAssistants = (one: AssistantView, other: AssistantView): number =>
  Number(other.name === FIRST_ASSISTANT) - Number(one.name === FIRST_ASSISTANT);

/** Return the announcement of an answer: how it ended, and its text. */
function describeAnswer(answer: Message): string {
  const endings: Partial<Record<Message["status"], string>> = {
    failed: words.announceFailed,
    cancelled: words.announceStopped,
    incomplete: words.announceCut,
    interrupted: words.announceInterrupted,
  };
  return `${endings[answer.status] ?? words.announceAnswer}: ${textOf(answer).slice(0, MAX_ANNOUNCEMENT_CHARS)}`;
}

/**
 * Read the page's address: `#SESSION`, or `#SESSION/MESSAGE` to reveal a message.
 *
 * Anything that is not made of ids counts as no session, because links come from anywhere.
 */
function readAddress(): { sessionId: string; messageId: string | undefined } {
  const [, sessionId, messageId] = /^#([0-9a-f-]{36})(?:\/([0-9a-f-]{36}))?$/.exec(location.hash) ?? [];
  return { sessionId: sessionId ?? "", messageId };
}

/** Return a message's text as Markdown: for the clipboard, for editing, and for screen readers. */
export function textOf(message: Message): string {
  const texts = joinSeams(message.parts).map(({ part }) => {
    if (part.type === "text" || part.type === "refusal") return part.text;
    if (part.type === "tool_call" && part.kind === "reply" && part.name !== "suggest_replies")
      return Object.values(part.arguments ?? {}).map(formatValue).join("\n\n");
    return "";
  });
  return texts.filter((text) => text !== "").join("\n\n");
}

/** Return a JSON value as text for reading: a string as it is, anything else as indented JSON. */
export const formatValue = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value, null, 2);
