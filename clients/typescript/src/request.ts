// One request to the service: JSON in, JSON out.

import { ApiError, readError } from "./api-error.ts";
import { pause } from "./stream.ts";

/** A request without a response counts as lost after this time. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How often a request that is safe to repeat is sent: for about 15 s, if the service cannot be reached at all. */
const MAX_ATTEMPTS = 6;
const MIN_RETRY_MS = 500;
/** A service that asks to wait longer than this is not waited for. */
const MAX_RETRY_AFTER_MS = 30_000;

/**
 * Send a request and return the JSON of its response; undefined for 204.
 *
 * Throws `ApiError` for an error response, and `TypeError` or `DOMException` when the service cannot be reached.
 */
export async function request<T>(method: string, url: string, body?: unknown, headers?: HeadersInit): Promise<T> {
  const all = new Headers(headers);
  if (body !== undefined) all.set("content-type", "application/json");
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    headers: all,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw await readError(response);
  return response.status === 204 ? (undefined as T) : response.json();
}

/**
 * Call `send` until it succeeds; only for a request that is safe to repeat.
 *
 * Throws the last error after `MAX_ATTEMPTS`, and at once one that a repeat cannot cure. A session that is busy counts
 * as that: only the caller knows if the message may wait, or is to interrupt.
 */
export async function repeat<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !mayPass(error)) throw error;
      await pause(retryAfterMs(error) ?? MIN_RETRY_MS * 2 ** (attempt - 1));
    }
  }
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return error.isRetryable && error.status !== 409 && (error.retryAfterMs ?? 0) <= MAX_RETRY_AFTER_MS;
}

const retryAfterMs = (error: unknown): number | null => (error instanceof ApiError ? error.retryAfterMs : null);

/** Return a new id. `crypto.randomUUID` is missing on pages without https, so the id is made from random bytes. */
export function createId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8]! & 0x3f) | 0x80; // RFC 9562's variant
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
