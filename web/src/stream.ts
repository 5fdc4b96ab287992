// Server-Sent Events by `fetch`: unlike `EventSource` it sees why it was refused, and notices a connection that is
// dead although nobody said so (the service pings). Framing: docs/protocol.md §6, LF only.

import { Refusal, refusal } from "./api.ts";

export interface Frame {
  /** The position after this event; null: a hint, which has none. */
  readonly id: string | null;
  readonly data: string;
}

/** Milliseconds of silence after which a connection counts as dead; the service speaks every 15 s by default. */
const SILENCE = 45_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/**
 * What comes after position `after`, for as long as `signal` is not aborted; a lost connection is made anew from the
 * last position. `told` hears whether there is one. Throws `Refusal` when going on from there is impossible.
 */
export async function* follow(
  path: string,
  after: string,
  signal: AbortSignal,
  told: (isConnected: boolean) => void,
): AsyncGenerator<Frame> {
  for (let wait = FIRST_WAIT; !signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT)) {
    try {
      for await (const frame of connect(`${path}?after=${after}`, signal, () => told(true))) {
        wait = FIRST_WAIT;
        after = frame.id ?? after;
        yield frame;
      }
    } catch (error) {
      if (error instanceof Refusal && !error.passes) throw error;
      if (signal.aborted) return;
      console.info("the stream was lost, and will be taken up again:", error);
    }
    if (signal.aborted) return;
    told(false);
    await pause(wait, signal);
  }
}

async function* connect(url: string, signal: AbortSignal, connected: () => void): AsyncGenerator<Frame> {
  const dead = new AbortController();
  const hangUp = (): void => dead.abort();
  let timer = setTimeout(hangUp, SILENCE);
  addEventListener("offline", hangUp);
  try {
    const both = AbortSignal.any([signal, dead.signal]);
    const answer = await fetch(url, { headers: { accept: "text/event-stream" }, cache: "no-store", signal: both });
    if (!answer.ok || answer.body === null) throw await refusal(answer);
    connected();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser();
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(hangUp, SILENCE);
      yield* parser.read(read.value);
    }
  } finally {
    clearTimeout(timer);
    removeEventListener("offline", hangUp);
    hangUp(); // whoever stops reading does
  }
}

/** Takes a stream in pieces that may be cut anywhere. */
export class Parser {
  #rest = "";
  #id: string | null = null;
  #data: string[] = [];

  /** The frames that are complete with `text`. */
  *read(text: string): Generator<Frame> {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line)!;
      if (field === "data") this.#data.push(value!);
      else if (field === "id") this.#id = value!;
      else if (line === "") yield* this.#complete();
    }
  }

  *#complete(): Generator<Frame> {
    if (this.#data.length > 0) yield { id: this.#id, data: this.#data.join("\n") };
    this.#id = null;
    this.#data = [];
  }
}

/** Wait, but not longer than until the network is back or `signal` is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal?.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}
