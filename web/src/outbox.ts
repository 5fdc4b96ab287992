// The outbox: messages that the browser keeps until the service has acknowledged them.
//
// An item survives reloads and days without a network. It is stored with an idempotency key, so sending it twice makes
// one message. So any tab may deliver any item. All tabs are notified of a delivery, because the tab where the message
// was written waits for it. Within a session the oldest item goes first, one at a time among all tabs (a Web Lock).
// Sessions do not wait for each other. A failure that may pass is retried, with pauses of 1 to 15 s or as long as the
// service asks for. An item that the service refuses for good stays until the user retries or discards it, and does
// not hold up others. Files of an item are brought before it is sent (`files/uploads.ts`). Each item is stored under a
// name of its own, because two tabs that change one list at once would lose an item.

import { ApiError, createId, request } from "./api.ts";
import { Cell } from "./cell.ts";
import type { DraftFile } from "./files/draft-file.ts";
import { FileRefused, type Uploads } from "./files/uploads.ts";
import type { Message, NewMessage, NewRun, NewSession, RunAnswer } from "../../clients/typescript/src/schema.ts";
import * as storage from "./storage.ts";
import { pause } from "../../clients/typescript/src/stream.ts";

/** A message or request that waits for its delivery. Browsers store items as JSON, so the fields keep their names. */
export interface OutboxItem {
  /** The idempotency key. */
  readonly key: string;
  /** When it was written, in milliseconds since 1970. The oldest item is delivered first. */
  readonly said: number;
  /** The id of the session it belongs to. */
  readonly session: string;
  /** The session to create first; null once it exists. Creating it twice is safe, too. */
  readonly create: NewSession | null;
  /** A new message, or a request for another answer to an existing one. */
  readonly body: NewMessage | NewRun;
  /** The files of a new message, whose `content` is its text. Earlier versions had none, or had them in `content`. */
  readonly files?: readonly DraftFile[];
  /** Why the service refused it; null while it may be delivered. */
  readonly refused: string | null;
  /** The code of that error, if it has one; of an error of a file behind `file_`. */
  readonly refusedCode?: string | undefined;
}

/** Called after a delivery by any tab. `answer` is null when the run's log has expired since the message was stored. */
type DeliveryListener = (item: OutboxItem, answer: RunAnswer | null) => void;

/** A limit of the user that keeps items from being sent, as the service names it, and the time until which it does. */
export interface ReachedLimit {
  readonly limit: string;
  /** In milliseconds since 1970. */
  readonly until: number;
}

/** How an attempt to deliver ended. An item is settled when it is delivered, or refused for good. */
type Outcome = "empty" | "settled" | { readonly retryAfterMs: number };

const KEY_PREFIX = "outbox.";
/** Earlier versions stored all items here, as one list. */
const OLD_KEY = "outbox";
const MIN_RETRY_MS = 1_000;
const MAX_RETRY_MS = 15_000;

export class Outbox {
  readonly items = new Cell<readonly OutboxItem[]>(loadItems());
  /** Keys of items that a session stream has shown before their acknowledgement came. They are not shown twice. */
  readonly echoes = new Cell<ReadonlySet<string>>(new Set());
  /** True while deliveries fail for the network or the service, so that the next attempt comes after a pause. */
  readonly isUnreachable = new Cell(false);
  /** The limit of the user that was reached last; null when deliveries succeed. */
  readonly reachedLimit = new Cell<ReachedLimit | null>(null);
  readonly #uploads: Uploads;
  readonly #onDelivery: DeliveryListener;
  readonly #tabs = new BroadcastChannel("chatkeep.outbox");
  /** The deliveries under way, by session. Aborting the controller ends the pause of a delivery. */
  readonly #deliveries = new Map<string, AbortController>();
  /** Keys of items whose files were brought once more, because the service had deleted them. */
  readonly #broughtAgain = new Set<string>();

  constructor(uploads: Uploads, onDelivery: DeliveryListener) {
    this.#uploads = uploads;
    this.#onDelivery = onDelivery;
    this.#convertOldList();
    this.#tabs.onmessage = ({ data }: MessageEvent<Parameters<DeliveryListener>>) => onDelivery(...data);
    storage.onChange(KEY_PREFIX, () => this.#reload());
    addEventListener("online", () => this.deliver());
    this.deliver();
  }

  /** True if an item of the session waits for its delivery. An item that the stream has shown does not count. */
  hasPending(session: string): boolean {
    return listDeliverable(session).some(({ key }) => !this.echoes.value.has(key));
  }

  /** Store an item, and deliver it. With a `key` that another tab uses too, the two are one item. */
  add(item: Omit<OutboxItem, "key" | "said" | "refused">, key = createId()): void {
    this.#store({ ...item, key, said: performance.timeOrigin + performance.now(), refused: null });
    this.deliver();
  }

  /** Note that the stream of `session` showed a message with this text. It may be an item about to be acknowledged. */
  noteEcho(session: string, { parts }: Message, text: string): void {
    const files = parts.flatMap((part) => (part.type === "file" ? [part.file_id] : [])).join();
    const filesOf = ({ files: all = [] }: OutboxItem): string =>
      all.map((each) => this.#uploads.stateOf(each).value.fileId ?? "not brought").join();
    const isSame = (item: OutboxItem): boolean =>
      item.session === session && contentOf(item) === text && filesOf(item) === files;
    const item = this.items.value.find((each) => isSame(each) && !this.echoes.value.has(each.key));
    if (item) this.echoes.value = new Set([...this.echoes.value, item.key]);
  }

  /** Drop an item without sending it. Its files are kept: they go back to the composer. */
  remove(key: string): void {
    storage.remove(KEY_PREFIX + key);
    this.#reload();
  }

  /** Drop an item and its files: it was delivered, or is not to be. */
  discard({ key, files = [] }: OutboxItem): void {
    this.remove(key);
    this.#uploads.drop(files);
  }

  /** Try a refused item again. */
  retry({ key, files = [] }: OutboxItem): void {
    this.#uploads.forget(files);
    this.#update(key, { refused: null, refusedCode: undefined });
    this.deliver();
  }

  /** Start a delivery in each session that has items, and end the pause of those under way. */
  deliver(): void {
    for (const session of new Set(loadItems().map((item) => item.session))) {
      const delivery = this.#deliveries.get(session);
      if (delivery) delivery.abort();
      else void this.#deliverAll(session);
    }
  }

  async #deliverAll(session: string): Promise<void> {
    for (let retryMs = MIN_RETRY_MS; ; ) {
      const wake = new AbortController();
      this.#deliveries.set(session, wake);
      const outcome = await this.#deliverNext(session);
      if (outcome === "empty" && !wake.signal.aborted) break;
      if (typeof outcome === "object") {
        await pause(Math.max(outcome.retryAfterMs, retryMs), wake.signal);
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      } else {
        retryMs = MIN_RETRY_MS;
      }
    }
    this.#deliveries.delete(session);
  }

  /** Try to deliver the session's oldest item, while no other tab does. */
  #deliverNext(session: string): Promise<Outcome> {
    const deliver = async (): Promise<Outcome> => {
      const [item] = listDeliverable(session);
      return item ? this.#attempt(item) : "empty";
    };
    return "locks" in navigator ? navigator.locks.request(`chatkeep.outbox.${session}`, deliver) : deliver();
  }

  async #attempt(item: OutboxItem): Promise<Outcome> {
    let answer: RunAnswer | null;
    try {
      const fileIds = await Promise.all((item.files ?? []).map((file) => this.#uploads.bring(file)));
      if (storage.load(KEY_PREFIX + item.key) === null) return "settled"; // taken back meanwhile
      await this.#createSession(item);
      answer = await post(item, fileIds);
    } catch (error) {
      return this.#handleFailure(item, error);
    }
    this.isUnreachable.value = false;
    this.reachedLimit.value = null;
    this.#onDelivery(item, answer);
    this.#tabs.postMessage([item, answer] satisfies Parameters<DeliveryListener>);
    this.discard(item);
    return "settled";
  }

  #handleFailure(item: OutboxItem, error: unknown): Outcome {
    const isOfFile = error instanceof FileRefused;
    if (error instanceof DOMException && error.name === "AbortError") return "settled"; // taken back, and a file dropped
    this.isUnreachable.value = !isOfFile && (!(error instanceof ApiError) || error.status >= 500);
    if (!isOfFile && !(error instanceof ApiError)) return { retryAfterMs: 0 }; // the service cannot be reached
    if (isOfFile || error.status < 500) this.#forgetEcho(item); // not stored: the echo was another message with the same text
    if (isOfFile) return this.#refuse(item, error.message, `file_${error.code}`);
    const { problem, retryAfterMs, status } = error;
    const limit = problem?.limit;
    if (limit) this.reachedLimit.value = { limit, until: Date.now() + (retryAfterMs ?? 0) };
    if (error.isRetryable || status === 401) return { retryAfterMs: retryAfterMs ?? 0 }; // once signed in
    if (status === 404 && item.files?.length && !this.#broughtAgain.has(item.key)) {
      this.#broughtAgain.add(item.key); // the service deletes a file that no message names for a day
      this.#uploads.forget(item.files);
      return "settled";
    }
    return this.#refuse(item, error.message, problem?.code);
  }

  #refuse({ key }: OutboxItem, refused: string, refusedCode: string | undefined): Outcome {
    this.#update(key, { refused, refusedCode });
    return "settled";
  }

  /** Create the item's session. It exists from then on, even if the item itself is refused. */
  async #createSession({ key, create }: OutboxItem): Promise<void> {
    if (create === null) return;
    await request("POST", "sessions", create);
    this.#update(key, { create: null });
  }

  #forgetEcho({ key }: OutboxItem): void {
    this.echoes.value = new Set([...this.echoes.value].filter((each) => each !== key));
  }

  #convertOldList(): void {
    const items: OutboxItem[] = JSON.parse(storage.load(OLD_KEY) ?? "[]");
    items.forEach((item, index) => this.#store({ ...item, said: index })); // in their order, before all others
    storage.remove(OLD_KEY);
  }

  #update(key: string, changes: Partial<OutboxItem>): void {
    const item = loadItems().find((each) => each.key === key);
    if (item) this.#store({ ...item, ...changes });
  }

  #store(item: OutboxItem): void {
    storage.save(KEY_PREFIX + item.key, JSON.stringify(item));
    this.#reload();
  }

  #reload(): void {
    this.items.value = loadItems();
  }
}

/** Return the text of an item; null when it requests another answer. */
export function contentOf({ body }: Pick<OutboxItem, "body">): string | null {
  if (!("content" in body)) return null;
  if (typeof body.content === "string") return body.content;
  return body.content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");
}

async function post(item: OutboxItem, fileIds: readonly string[]): Promise<RunAnswer | null> {
  const route = contentOf(item) === null ? "runs" : "messages";
  try {
    const headers = { "idempotency-key": item.key, prefer: "respond-async" };
    return await request("POST", `sessions/${item.session}/${route}`, bodyOf(item, fileIds), headers);
  } catch (error) {
    if (error instanceof ApiError && error.problem?.code === "events_expired") return null; // delivered long ago
    throw error;
  }
}

/** Return the body to send: with the item's files, whose ids are known now, before its text. */
function bodyOf({ body, files = [] }: OutboxItem, fileIds: readonly string[]): NewMessage | NewRun {
  if (!("content" in body) || files.length === 0) return body;
  const parts = files.map(({ name }, index) => ({ type: "file" as const, file_id: fileIds[index]!, name }));
  const text = contentOf({ body });
  return { ...body, content: text ? [...parts, { type: "text", text }] : parts };
}

/** Return the session's items that are not refused, oldest first. */
const listDeliverable = (session: string): OutboxItem[] =>
  loadItems().filter((item) => item.session === session && item.refused === null);

/** Return all items in this browser, oldest first. */
function loadItems(): OutboxItem[] {
  const texts = storage.listNames(KEY_PREFIX).map(storage.load).filter((text) => text !== null);
  return texts.map((text): OutboxItem => JSON.parse(text)).sort((one, other) => one.said - other.said);
}
