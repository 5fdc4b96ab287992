// The service's HTTP API as functions. URLs are relative to the page, so that it can be served under any path.

import type { MessagePage, ProblemDocument, Run, RunAnswer, Session } from "./schema.ts";

/** An error response of the service. `problem.code` is one of the error codes in docs/http-api.md. */
export class ApiError extends Error {
  readonly status: number;
  /** The body of the response; null when it was not a problem document, for example from a proxy. */
  readonly problem: ProblemDocument | null;
  /** The response's Retry-After in milliseconds; null when it has none. */
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: ProblemDocument | null, retryAfterMs: number | null = null) {
    super(problem?.detail ?? `the service answered ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }

  /** True if the same request may succeed later. */
  get isRetryable(): boolean {
    return this.status >= 500 || this.status === 429 || this.status === 408 || this.problem?.code === "session_busy";
  }
}

/** Read the error out of a response that is not OK. */
export async function readError(response: Response): Promise<ApiError> {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  const seconds = Number(response.headers.get("retry-after"));
  return new ApiError(response.status, isProblem ? await response.json() : null, seconds > 0 ? seconds * 1000 : null);
}

/** A request without a response counts as lost after this time. */
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Send a request and return the JSON of its response; undefined for 204.
 *
 * Throws `ApiError` for an error response, and `TypeError` or `DOMException` when the service cannot be reached.
 */
export async function request<T>(method: string, path: string, body?: unknown, headers?: HeadersInit): Promise<T> {
  const response = await fetch(`api/${path}`, {
    method,
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) {
    const error = await readError(response);
    if (error.problem?.sign_in) location.assign(signInAddress(error.problem.sign_in, location.href, document.baseURI));
    throw error;
  }
  return response.status === 204 ? (undefined as T) : response.json();
}

/** Return where a browser signs in so that it comes back to this place of the page. `base` is the page's own folder. */
export function signInAddress(path: string, here: string, base: string): string {
  return `${path}?return=${encodeURIComponent(`/${here.slice(new URL(".", base).href.length)}`)}`;
}

export const get = <T>(path: string): Promise<T> => request<T>("GET", path);

/** Return up to `limit` messages of all branches, the last ones before the cursor `before`; null: the newest ones. */
export const listMessages = (sessionId: string, limit: number, before: string | null): Promise<MessagePage> =>
  get(`sessions/${sessionId}/messages?branches=all&limit=${limit}${before ? `&before=${before}` : ""}`);

type SessionFields = Partial<Pick<Session, "title" | "head_id" | "assistant" | "model">>;

export const changeSession = (sessionId: string, changes: SessionFields): Promise<Session> =>
  request("PATCH", `sessions/${sessionId}`, changes);

export const cancelRun = (runId: string): Promise<Run> => request("POST", `runs/${runId}/cancel`);

/** Send the output of a client function's call. Returns at once, and does not wait for the answer that follows. */
export const sendToolOutput = (runId: string, call_id: string, output: unknown): Promise<RunAnswer> =>
  request("POST", `runs/${runId}/tool-outputs`, { outputs: [{ call_id, output }] }, { prefer: "respond-async" });

/** Return a new id. `crypto.randomUUID` is missing on pages without https, so the id is made from random bytes. */
export function createId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8]! & 0x3f) | 0x80; // RFC 9562's variant
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
