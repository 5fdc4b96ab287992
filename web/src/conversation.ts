// A conversation: an open session, as far as the page has loaded it, and kept current by the session stream.
//
// Loading takes the newest page of messages, then the session, then older pages until enough of the active branch is
// known. The page of messages names a position; the session stream continues from it, so nothing is missed in between.
// After that, only events of the stream change messages. `acknowledge` is the one exception: it shows a new run at
// once, and the stream repeats it. Each message is a cell of its own, so that a token redraws one message only.
// When messages are added, `treeVersion` grows and the list of messages is drawn again. A lost connection is opened
// again from the last position. When the log no longer reaches back to that position, everything is loaded anew.

import { ApiError, cancelRun, changeSession, get, listMessages, sendToolOutput } from "./api.ts";
import { findBranchEnd, groupByParent, listBranch, type MessageNode } from "./branch.ts";
import { Cell } from "./cell.ts";
import { apply, hasEnded, type SessionEvent } from "../../clients/typescript/src/events.ts";
import type { DraftFile } from "./files/draft-file.ts";
import type { Message, Run, RunAnswer, Session } from "../../clients/typescript/src/schema.ts";
import { withSlot } from "./slots.ts";
import { follow, pause } from "../../clients/typescript/src/stream.ts";

/** Messages per page, of all branches. At least half as many of the active branch are loaded at first. */
const PAGE_SIZE = 100;
const MIN_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/** The connection to the session stream; `gone`: the session does not exist, or no longer. */
export type ConnectionState = "loading" | "live" | "lost" | "gone";

export interface OpenRun {
  readonly id: string;
  /** True while the run waits for the output of a client function. */
  readonly isWaiting: boolean;
}

/** A message that goes back to the composer. */
export interface ReturnedMessage {
  readonly text: string;
  readonly files: readonly DraftFile[];
}

export class Conversation {
  /** The session's id. A new session has one before the service knows it. */
  readonly id: string;
  /** True until the first message is delivered: the service does not know the session yet. */
  readonly isNew: Cell<boolean>;
  /** Null until it is loaded. */
  readonly session = new Cell<Session | null>(null);
  /** The last message of the active branch; null when there is none. */
  readonly head = new Cell<string | null>(null);
  readonly tree = new Map<string, MessageNode>();
  /** Grows whenever messages are added to `tree`. */
  readonly treeVersion = new Cell(0);
  readonly openRun = new Cell<OpenRun | null>(null);
  readonly connection = new Cell<ConnectionState>("loading");
  /** The cursor of the next older page; null when all messages are loaded. */
  readonly olderCursor = new Cell<string | null>(null);
  /** The id of a message to scroll to. The view sets it to null when it has done so. */
  readonly messageToReveal = new Cell<string | null>(null);
  /** A message that was refused, and comes back to the composer. The composer sets it to null. */
  readonly returned = new Cell<ReturnedMessage | null>(null);
  readonly #onEvent: (event: SessionEvent) => void;
  readonly #messages = new Map<string, Cell<Message>>();
  /** The id of the assistant message of each run. */
  readonly #answerIds = new Map<string, string>();
  readonly #runs = new Map<string, Cell<Run | null>>();
  readonly #closing = new AbortController();
  /** Where the session stream continues; null: load first. */
  #position: string | null = null;
  #firstLoad = Promise.resolve();
  #isStarted = false;
  #isLoadingOlder = false;

  /** `onEvent` is called with each event of the stream, after it has been applied here. */
  constructor(id: string, isNew: boolean, onEvent: (event: SessionEvent) => void) {
    this.id = id;
    this.isNew = new Cell(isNew);
    this.#onEvent = onEvent;
    if (!isNew) void this.start();
  }

  /** Load the session, then follow its stream until `close`. Does nothing when called again. */
  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.isNew.value = false;
    await (this.#firstLoad = this.#withRecovery(() => this.#load()));
    await withSlot(this.#closing.signal, (signal) => this.#withRecovery(() => this.#followStream(signal)));
  }

  close(): void {
    this.#closing.abort();
  }

  /** Show a run that the service has just acknowledged, unless the stream was faster. Null: it ended long ago. */
  acknowledge(answer: RunAnswer | null): void {
    void this.start();
    if (answer === null || this.tree.has(answer.message.id) || hasEnded(answer.run.status)) return;
    this.#addRun(answer.run.id, answer.user_message, answer.message);
  }

  /** Return the cell of a message in `tree`. */
  getMessage(id: string): Cell<Message> {
    return this.#messages.get(id)!;
  }

  /** Return the cell of a run, null until it is fetched. A message does not say why it failed, its run does. */
  getRun(id: string): Cell<Run | null> {
    const known = this.#runs.get(id);
    if (known) return known;
    const cell = new Cell<Run | null>(null);
    this.#runs.set(id, cell);
    void this.#fetchRun(id, cell);
    return cell;
  }

  /** Load the next older page, and more until the active branch has grown by half a page. */
  async loadOlder(): Promise<void> {
    if (this.#isLoadingOlder || this.olderCursor.value === null) return;
    this.#isLoadingOlder = true;
    const length = listBranch(this.tree, this.head.value).length + PAGE_SIZE / 2;
    await this.#loadUntil(length).finally(() => (this.#isLoadingOlder = false));
  }

  /** Load all messages of all branches. */
  async loadAll(): Promise<void> {
    await this.#firstLoad;
    while (this.olderCursor.value !== null) await this.#loadOlderPage();
  }

  /** Make the newest branch through the message `id` the active one. */
  async switchBranch(id: string): Promise<void> {
    const oldHead = this.head.value;
    this.head.value = findBranchEnd(groupByParent(this.tree), id);
    try {
      this.session.value = await changeSession(this.id, { head_id: this.head.value });
    } catch (error) {
      this.head.value = oldHead;
      throw error;
    }
  }

  /** Load older pages until the message is found, activate its branch and scroll to it. An unknown id is ignored. */
  async reveal(id: string): Promise<void> {
    await this.#firstLoad;
    while (!this.tree.has(id) && this.olderCursor.value !== null) await this.#loadOlderPage();
    if (!this.tree.has(id)) return;
    if (!listBranch(this.tree, this.head.value).some((node) => node.id === id)) await this.switchBranch(id);
    this.messageToReveal.value = id;
  }

  /** Cancel the open run, if there is one. */
  async stop(): Promise<void> {
    if (this.openRun.value) await cancelRun(this.openRun.value.id);
  }

  /** Send the output of a call that waits. If another tab was faster, its output counts. */
  async answerCall(runId: string, callId: string, output: unknown): Promise<void> {
    try {
      await sendToolOutput(runId, callId, output);
    } catch (error) {
      if (!(error instanceof ApiError && error.problem?.code === "call_not_waiting")) throw error;
    }
  }

  async #load(): Promise<void> {
    const page = await listMessages(this.id, PAGE_SIZE, null);
    const session = await get<Session>(`sessions/${this.id}`); // after the page: the stream covers the time in between
    this.tree.clear(); // there may be a gap between the known messages and this page
    this.olderCursor.value = page.next;
    page.data.forEach((message) => this.#storeMessage(message));
    this.treeVersion.value += 1;
    this.session.value = session;
    this.head.value = session.head_id;
    const open = page.data.find((message) => message.role === "assistant" && !hasEnded(message.status));
    this.openRun.value = open ? { id: open.run_id!, isWaiting: open.status === "requires_action" } : null;
    await this.#loadUntil(PAGE_SIZE / 2);
    this.#position = page.position;
  }

  /** Load older pages until the active branch has `length` messages. */
  async #loadUntil(length: number): Promise<void> {
    const isShort = (): boolean => listBranch(this.tree, this.head.value).length < length;
    while (this.olderCursor.value !== null && isShort()) await this.#loadOlderPage();
  }

  async #loadOlderPage(): Promise<void> {
    const page = await listMessages(this.id, PAGE_SIZE, this.olderCursor.value);
    for (const message of page.data) if (!this.tree.has(message.id)) this.#storeMessage(message);
    this.olderCursor.value = page.next;
    this.treeVersion.value += 1;
  }

  /** Fetch a run into its cell. Retries while the error may pass; otherwise the cell stays null. */
  async #fetchRun(id: string, cell: Cell<Run | null>): Promise<void> {
    const { signal } = this.#closing;
    const isDone = (): boolean => cell.value !== null || signal.aborted;
    for (let retryMs = MIN_RETRY_MS; !isDone(); retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
      try {
        cell.value = await get<Run>(`runs/${id}`);
      } catch (error) {
        if (error instanceof ApiError && !error.isRetryable) return;
        await pause(retryMs, signal);
      }
    }
  }

  async #followStream(signal: AbortSignal): Promise<void> {
    if (this.#position === null) await this.#load();
    const onConnectionChange = (isConnected: boolean, why: unknown): void => {
      this.connection.value = isConnected ? "live" : "lost";
      if (why !== null) console.info("the stream was lost, and will be taken up again:", why);
    };
    const options = { signal, onConnectionChange };
    for await (const frame of follow(`api/sessions/${this.id}/events`, this.#position!, options)) {
      this.#receive(JSON.parse(frame.data) as SessionEvent);
      this.#position = frame.id ?? this.#position;
    }
  }

  /**
   * Run the first load or the stream, and handle its failure. Only these two decide the state of the connection.
   *
   * 404 means that the session is gone. Any other error that no retry cures means that the position is unusable, so
   * the next attempt loads everything again. Returns after a pause; then the action may be tried again.
   */
  async #withRecovery(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      if (error instanceof ApiError && error.status === 404) return this.#leave();
      console.info("this session will be looked at again:", error);
      if (error instanceof ApiError && !error.isRetryable) this.#position = null;
      this.connection.value = "lost";
      await pause(MIN_RETRY_MS, this.#closing.signal);
    }
  }

  /** The session no longer exists. */
  #leave(): void {
    this.connection.value = "gone";
    this.close();
  }

  #receive(event: SessionEvent): void {
    if (event.type === "session.deleted") this.#leave();
    else if (event.type === "session.updated") this.#updateSession(event.session);
    else if (event.type === "run.started") this.#addRun(event.run.id, event.user_message, event.message);
    else {
      const cell = this.#messages.get(this.#answerIds.get(event.run_id) ?? "");
      if (cell) cell.value = apply(cell.value, event);
      if (event.type === "run.waiting") this.openRun.value = { id: event.run_id, isWaiting: true };
      if (event.type === "run.resumed") this.openRun.value = { id: event.run_id, isWaiting: false };
      if (event.type === "run.finished") this.#finishRun(event.run);
    }
    this.#onEvent(event);
  }

  #addRun(runId: string, userMessage: Message, answer: Message): void {
    this.#storeMessage(userMessage);
    this.#storeMessage(answer);
    this.head.value = answer.id;
    this.openRun.value = { id: runId, isWaiting: answer.status === "requires_action" };
    this.treeVersion.value += 1;
  }

  #updateSession(session: Session): void {
    this.session.value = session;
    if (session.head_id !== null && this.tree.has(session.head_id)) this.head.value = session.head_id;
  }

  #finishRun(run: Run): void {
    if (this.openRun.value?.id === run.id) this.openRun.value = null;
    const cell = this.#runs.get(run.id);
    if (cell) cell.value = run;
    else this.#runs.set(run.id, new Cell<Run | null>(run));
  }

  #storeMessage(message: Message): void {
    const { id, parent_id, seq, run_id } = message;
    const cell = this.#messages.get(id);
    if (cell) cell.value = message;
    else this.#messages.set(id, new Cell(message));
    this.tree.set(id, { id, parent_id, seq });
    if (run_id !== null && message.role === "assistant") this.#answerIds.set(run_id, id);
  }
}
