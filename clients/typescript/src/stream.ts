// Reads a stream of Server-Sent Events with `fetch`. The framing is in docs/events.md; lines end with LF only.
//
// `EventSource` is not enough for two reasons. It hides why the service refused a stream, and it does not notice a
// connection that died silently, for example because a router forgot it. Here a connection counts as dead when nothing
// has arrived for 45 s, because the service sends a ping every 15 s by default. A lost connection is opened again from
// the last position, so no event is missed or seen twice. The pause before that doubles with each failure and is reset
// by the first event. An error that no retry can cure, such as an expired position, is thrown to the caller.

import { ApiError, readError } from "./api-error.ts";

export interface Frame {
  /** The position after this event; null for an event of the session itself, which has no position. */
  readonly id: string | null;
  readonly data: string;
}

/** A connection that has been silent for this long counts as dead. */
const SILENCE_LIMIT_MS = 45_000;
const MIN_RETRY_MS = 500;
const MAX_RETRY_MS = 10_000;
const NO_CONTENT = 204;

export interface FollowOptions {
  /** Ends the stream when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  readonly headers?: HeadersInit | undefined;
  /** Called with true when a connection is open, and with false when it is lost; `why` is null if it only ended. */
  readonly onConnectionChange?: ((isConnected: boolean, why: unknown) => void) | undefined;
}

/**
 * Yield the frames after the position `after`, until the signal is aborted. Lost connections are opened again.
 *
 * Ends by itself when the service says that no more will come (204).
 * Throws `ApiError` when the service does not allow the stream to continue from its position.
 */
export async function* follow(url: string, after: string, options: FollowOptions = {}): AsyncGenerator<Frame> {
  const { signal, onConnectionChange } = options;
  for (let retryMs = MIN_RETRY_MS; !signal?.aborted; retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)) {
    let why: unknown = null;
    try {
      for await (const frame of connect(`${url}?after=${after}`, options)) {
        retryMs = MIN_RETRY_MS;
        after = frame.id ?? after;
        yield frame;
      }
    } catch (error) {
      if (error instanceof ApiError && error.status === NO_CONTENT) return;
      if (error instanceof ApiError && !error.isRetryable) throw error;
      why = error;
    }
    if (signal?.aborted) return;
    onConnectionChange?.(false, why);
    await pause(retryMs, signal);
  }
}

/** Yield the frames of one connection, until it ends or counts as dead. */
async function* connect(url: string, { signal, headers, onConnectionChange }: FollowOptions): AsyncGenerator<Frame> {
  const connection = new AbortController();
  const disconnect = (): void => connection.abort();
  let timer = setTimeout(disconnect, SILENCE_LIMIT_MS);
  globalThis.addEventListener?.("offline", disconnect); // Node has no such event
  try {
    const anySignal = signal ? AbortSignal.any([signal, connection.signal]) : connection.signal;
    const all = new Headers(headers);
    all.set("accept", "text/event-stream");
    const response = await fetch(url, { headers: all, cache: "no-store", signal: anySignal });
    if (!response.ok || response.body === null) throw await readError(response);
    onConnectionChange?.(true, null);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new FrameParser();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(disconnect, SILENCE_LIMIT_MS);
      yield* parser.feed(read.value);
    }
  } finally {
    clearTimeout(timer);
    globalThis.removeEventListener?.("offline", disconnect);
    disconnect(); // also when the caller stops reading in the middle
  }
}

/** Parses a stream that arrives in pieces. A piece may end anywhere. */
export class FrameParser {
  #incompleteLine = "";
  #id: string | null = null;
  #data: string[] = [];

  /** Yield the frames that `text` completes. */
  *feed(text: string): Generator<Frame> {
    const lines = (this.#incompleteLine + text).split("\n");
    this.#incompleteLine = lines.pop()!;
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line)!;
      if (field === "data") this.#data.push(value!);
      else if (field === "id") this.#id = value!;
      else if (line === "") yield* this.#endFrame();
    }
  }

  *#endFrame(): Generator<Frame> {
    if (this.#data.length > 0) yield { id: this.#id, data: this.#data.join("\n") };
    this.#id = null;
    this.#data = [];
  }
}

/** Wait. Ends early when the network comes back or `signal` is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    globalThis.addEventListener?.("online", end); // Node has no such event
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}
