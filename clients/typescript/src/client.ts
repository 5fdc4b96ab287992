// The service as an object: sessions, messages, and answers as they are made.
//
// What is sent is safe to repeat: a new session has an id of its own, and a message an idempotency key. So both are
// sent again when a response is lost, and make one session and one message. What is read continues from the last
// position when a connection is lost, for as long as the reader wants, also after the service was killed and started
// again.

import { ApiError } from "./api-error.ts";
import { apply, type SessionEvent } from "./events.ts";
import { applyToBranch, isOnBranch } from "./history.ts";
import { createId, repeat, request } from "./request.ts";
import type {
  Event,
  Message,
  MessagePage,
  NewMessage,
  NewSession,
  Run,
  RunAnswer,
  Session,
  ToolOutput,
} from "./schema.ts";
import { follow, type FollowOptions } from "./stream.ts";

export interface ChatkeepOptions {
  /** Where the service is, without a slash at its end; left out: where the page is. */
  readonly url?: string;
  /** A token of the user, where the service asks for a sign-in (docs/sign-in.md). */
  readonly token?: string;
  readonly onConnectionChange?: FollowOptions["onConnectionChange"];
}

interface ReadOptions {
  /** Ends the reading when it is aborted. The answer is made nevertheless: `cancel` stops it. */
  readonly signal?: AbortSignal | undefined;
}

export class Chatkeep {
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #onConnectionChange: FollowOptions["onConnectionChange"];

  /** Throws `TypeError` if the URL is none. */
  constructor({ url = "", token, onConnectionChange }: ChatkeepOptions = {}) {
    this.#url = url && new URL(url).href.replace(/\/$/, "");
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#onConnectionChange = onConnectionChange;
  }

  /**
   * Send any request and return the JSON of its response. `path` is below `/api`, such as `sessions?limit=5`.
   *
   * Every method throws `ApiError` for an error response, and `TypeError` or `DOMException` when the service cannot be
   * reached.
   */
  request<T>(method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    return request(method, `${this.#url}/api/${path}`, body, { ...this.#headers, ...headers });
  }

  /** Create a session. With the id of one of the owner's sessions, that is returned as it is. */
  createSession(fields: NewSession = {}): Promise<Session> {
    const body = { ...fields, id: fields.id ?? createId() };
    return repeat(() => this.request("POST", "sessions", body));
  }

  /**
   * Send a message, and return as soon as it is stored. Read its answer with `read`.
   *
   * A caller that may be cut off itself stores `key` first, and sends the message again with it later.
   */
  send(sessionId: string, message: string | NewMessage, key: string = createId()): Promise<RunAnswer> {
    const body = typeof message === "string" ? { content: message } : message;
    const headers = { "idempotency-key": key, prefer: "respond-async" };
    return repeat(() => this.request("POST", `sessions/${sessionId}/messages`, body, headers));
  }

  /** Yield the answer of a run again and again, as it grows, until the run has ended. A run that waits has not. */
  async *read(runId: string, options: ReadOptions = {}): AsyncGenerator<Message> {
    let message: Message | null = null;
    try {
      for await (const event of this.events(runId, 0, options)) {
        message = event.type === "run.started" ? event.message : apply(message!, event);
        yield message;
      }
    } catch (error) {
      if (!hasCode(error, "events_expired")) throw error;
      yield await this.request<Message>("GET", `messages/${error.problem?.message_id}`); // it ended long ago
    }
  }

  /** Yield the events of a run after a position, until its last one. */
  async *events(runId: string, after = 0, options: ReadOptions = {}): AsyncGenerator<Event> {
    for await (const { data } of this.#follow(`runs/${runId}/events`, String(after), options)) {
      const event: Event = JSON.parse(data);
      yield event;
      if (event.type === "run.finished") return;
    }
  }

  /**
   * Yield the messages of a session's active branch again and again, whichever client changes them.
   *
   * Ends when the session is deleted.
   */
  async *watch(sessionId: string, options: ReadOptions = {}): AsyncGenerator<readonly Message[]> {
    while (!options.signal?.aborted) {
      let { data: messages, position } = await this.history(sessionId);
      yield messages;
      try {
        for await (const event of this.sessionEvents(sessionId, position, options)) {
          if (event.type === "session.deleted") return;
          if (!isOnBranch(messages, event)) break; // another branch is active: read it
          const changed = applyToBranch(messages, event);
          if (changed !== messages) yield (messages = changed);
        }
      } catch (error) {
        if (!hasCode(error, "events_expired")) throw error;
      }
    }
  }

  /** Yield the events of all runs of a session after a position, which `history` returns. */
  async *sessionEvents(sessionId: string, after: string, options: ReadOptions = {}): AsyncGenerator<SessionEvent> {
    for await (const { data } of this.#follow(`sessions/${sessionId}/events`, after, options)) yield JSON.parse(data);
  }

  /** Return the messages of the active branch, oldest first, and the position at which their stream continues. */
  history(sessionId: string): Promise<MessagePage> {
    return repeat(() => this.request("GET", `sessions/${sessionId}/messages`));
  }

  /**
   * Give the output of a call that waits: any JSON. Returns at once; the answer goes on in `read`.
   *
   * False: the call does not wait. It is unknown, or was answered before: by another client, or by an earlier attempt
   * of this one whose response was lost.
   */
  answerCall(runId: string, callId: string, output: unknown): Promise<boolean> {
    return this.#answer(runId, { call_id: callId, output });
  }

  /** Tell the model that a call that waits has failed, in words of the client. False: see `answerCall`. */
  failCall(runId: string, callId: string, error: string): Promise<boolean> {
    return this.#answer(runId, { call_id: callId, error });
  }

  /** Stop a run. Its text so far is kept. A run that has ended stays as it is. */
  cancel(runId: string): Promise<Run> {
    return repeat(() => this.request("POST", `runs/${runId}/cancel`));
  }

  async #answer(runId: string, output: ToolOutput): Promise<boolean> {
    const send = (): Promise<unknown> =>
      this.request("POST", `runs/${runId}/tool-outputs`, { outputs: [output] }, { prefer: "respond-async" });
    try {
      await repeat(send);
      return true;
    } catch (error) {
      if (hasCode(error, "call_not_waiting")) return false;
      throw error;
    }
  }

  #follow(path: string, after: string, { signal }: ReadOptions): ReturnType<typeof follow> {
    const options = { signal, headers: this.#headers, onConnectionChange: this.#onConnectionChange };
    return follow(`${this.#url}/api/${path}`, after, options);
  }
}

const hasCode = (error: unknown, code: string): error is ApiError =>
  error instanceof ApiError && error.problem?.code === code;
