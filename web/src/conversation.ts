// A session that is open: what of it is known, and the feed that keeps it current. The feed alone changes messages.

import { answerCall, cancelRun, changeSession, get, listMessages, Refusal } from "./api.ts";
import { branch, children, leaf, type Node } from "./branch.ts";
import { Cell } from "./cell.ts";
import { apply, hasEnded, type FeedEvent } from "./events.ts";
import { onALine } from "./lines.ts";
import type { Message, Run, RunAnswer, Session } from "./schema.ts";
import { follow, pause } from "./stream.ts";

/** How many messages a page has; at least half as many of the active branch are shown. */
const PAGE = 100;
/** Milliseconds before something is asked for again. */
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

export type Link = "loading" | "live" | "lost" | "gone";

export class Conversation {
  readonly session = new Cell<Session | null>(null);
  readonly head = new Cell<string | null>(null);
  /** Changes when other messages are known than before. */
  readonly shape = new Cell(0);
  /** The run that is being made, and whether it waits for us. */
  readonly open = new Cell<{ readonly run: string; readonly waits: boolean } | null>(null);
  readonly link = new Cell<Link>("loading");
  /** Whether the service does not know it yet: it is made with its first message. */
  readonly isNew: Cell<boolean>;
  /** The `before` of the page before what is known; null when everything is. */
  readonly older = new Cell<string | null>(null);
  /** A message that the reader wants to see; null again when it is seen. */
  readonly wanted = new Cell<string | null>(null);
  readonly tree = new Map<string, Node>();
  readonly id: string;
  readonly #heard: (event: FeedEvent) => void;
  readonly #messages = new Map<string, Cell<Message>>();
  readonly #answers = new Map<string, string>();
  readonly #runs = new Map<string, Cell<Run | null>>();
  readonly #end = new AbortController();
  #position: string | null = null;
  #loaded = Promise.resolve();
  #isStarted = false;
  #isLoading = false;

  /** `heard` is told of each event, after it was taken in. */
  constructor(id: string, isNew: boolean, heard: (event: FeedEvent) => void) {
    this.id = id;
    this.isNew = new Cell(isNew);
    this.#heard = heard;
    if (!isNew) void this.start();
  }

  /** Load, and follow until `close`. */
  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.isNew.value = false;
    const signal = this.#end.signal;
    await (this.#loaded = this.#attempt(() => this.#load()));
    await onALine(signal, (letGo) => this.#attempt(() => this.#follow(letGo)));
  }

  close(): void {
    this.#end.abort();
  }

  /** A turn of ours was stored. The feed tells the same, now or when it is back. */
  acknowledge(answer: RunAnswer | null): void {
    void this.start();
    if (answer === null || this.tree.has(answer.message.id) || hasEnded(answer.run.status)) return;
    this.#begin(answer.run.id, answer.user_message, answer.message);
  }

  message(id: string): Cell<Message> {
    return this.#messages.get(id)!;
  }

  /** A run, asked for until it is known: messages do not say why they failed. */
  run(id: string): Cell<Run | null> {
    let cell = this.#runs.get(id);
    if (cell === undefined) {
      const asked = new Cell<Run | null>(null);
      this.#runs.set(id, (cell = asked));
      void this.#askFor(id, asked);
    }
    return cell;
  }

  /** Load the page before what is known, or more when it brings little of the active branch. */
  async loadOlder(): Promise<void> {
    if (this.#isLoading || this.older.value === null) return;
    this.#isLoading = true;
    const wanted = branch(this.tree, this.head.value).length + PAGE / 2;
    await this.#loadUntil(wanted).finally(() => (this.#isLoading = false));
  }

  /** Go on along the branch through `id`, a sibling of a message that is shown. */
  async walk(id: string): Promise<void> {
    const before = this.head.value;
    this.head.value = leaf(children(this.tree), id);
    try {
      this.session.value = await changeSession(this.id, { head_id: this.head.value });
    } catch (error) {
      this.head.value = before;
      throw error;
    }
  }

  /** Show a message, wherever it is: older pages are loaded as far as it, and its branch becomes the active one. */
  async reveal(id: string): Promise<void> {
    await this.#loaded;
    while (!this.tree.has(id) && this.older.value !== null) await this.#loadPage();
    if (!this.tree.has(id)) return;
    if (!branch(this.tree, this.head.value).some((node) => node.id === id)) await this.walk(id);
    this.wanted.value = id;
  }

  async stop(): Promise<void> {
    if (this.open.value) await cancelRun(this.open.value.run);
  }

  /** Answer a function that waits for us. Another tab may have been faster, which is fine. */
  async answer(run: string, call: string, output: unknown): Promise<void> {
    try {
      await answerCall(run, call, output);
    } catch (error) {
      if (!(error instanceof Refusal && error.problem?.code === "call_not_waiting")) throw error;
    }
  }

  async #load(): Promise<void> {
    const page = await listMessages(this.id, PAGE, null);
    const session = await get<Session>(`sessions/${this.id}`); // after the page: the feed tells what was in between
    this.tree.clear(); // what is known need not reach as far as this page
    this.older.value = page.next;
    page.data.forEach((message) => this.#put(message));
    this.shape.value += 1;
    this.session.value = session;
    this.head.value = session.head_id;
    const open = page.data.find((message) => message.role === "assistant" && !hasEnded(message.status));
    this.open.value = open ? { run: open.run_id!, waits: open.status === "requires_action" } : null;
    await this.#loadUntil(PAGE / 2);
    this.#position = page.position;
  }

  async #loadUntil(wanted: number): Promise<void> {
    while (this.older.value !== null && branch(this.tree, this.head.value).length < wanted) await this.#loadPage();
  }

  async #loadPage(): Promise<void> {
    const page = await listMessages(this.id, PAGE, this.older.value);
    for (const message of page.data) if (!this.tree.has(message.id)) this.#put(message);
    this.older.value = page.next;
    this.shape.value += 1;
  }

  async #askFor(id: string, run: Cell<Run | null>): Promise<void> {
    for (let wait = FIRST_WAIT; run.value === null && !this.#end.signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      try {
        run.value = await get<Run>(`runs/${id}`);
      } catch (error) {
        if (error instanceof Refusal && !error.passes) return;
        await pause(wait, this.#end.signal);
      }
    }
  }

  async #follow(letGo: AbortSignal): Promise<void> {
    if (this.#position === null) await this.#load();
    const told = (isConnected: boolean): void => void (this.link.value = isConnected ? "live" : "lost");
    for await (const frame of follow(`api/sessions/${this.id}/events`, this.#position!, letGo, told)) {
      this.#receive(JSON.parse(frame.data) as FeedEvent);
      this.#position = frame.id ?? this.#position;
    }
  }

  /** Failures of the first load and of the feed, which alone tell of the link: gone is gone; a position that cannot be gone on from means to load again. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      if (this.#end.signal.aborted) return;
      if (error instanceof Refusal && error.status === 404) return this.#leave();
      console.info("this session will be looked at again:", error);
      if (error instanceof Refusal && !error.passes) this.#position = null;
      this.link.value = "lost";
      await pause(FIRST_WAIT, this.#end.signal);
    }
  }

  #leave(): void {
    this.link.value = "gone";
    this.close();
  }

  #receive(event: FeedEvent): void {
    if (event.type === "session.deleted") this.#leave();
    else if (event.type === "session.updated") this.#update(event.session);
    else if (event.type === "run.started") this.#begin(event.run.id, event.user_message, event.message);
    else {
      const cell = this.#messages.get(this.#answers.get(event.run_id) ?? "");
      if (cell) cell.value = apply(cell.value, event);
      if (event.type === "run.waiting") this.open.value = { run: event.run_id, waits: true };
      if (event.type === "run.resumed") this.open.value = { run: event.run_id, waits: false };
      if (event.type === "run.finished") this.#finish(event.run);
    }
    this.#heard(event);
  }

  #begin(run: string, user_message: Message, message: Message): void {
    this.#put(user_message);
    this.#put(message);
    this.head.value = message.id;
    this.open.value = { run, waits: message.status === "requires_action" };
    this.shape.value += 1;
  }

  #update(session: Session): void {
    this.session.value = session;
    if (session.head_id !== null && this.tree.has(session.head_id)) this.head.value = session.head_id;
  }

  #finish(run: Run): void {
    if (this.open.value?.run === run.id) this.open.value = null;
    const cell = this.#runs.get(run.id);
    if (cell) cell.value = run;
    else this.#runs.set(run.id, new Cell<Run | null>(run));
  }

  #put(message: Message): void {
    const { id, parent_id, seq, run_id } = message;
    const cell = this.#messages.get(id);
    if (cell) cell.value = message;
    else this.#messages.set(id, new Cell(message));
    this.tree.set(id, { id, parent_id, seq });
    if (run_id !== null && message.role === "assistant") this.#answers.set(run_id, id);
  }
}
