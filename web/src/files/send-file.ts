// One request that brings a file to the service. `fetch` does not say how much was sent, so it is an XMLHttpRequest.

import { readError } from "../../../clients/typescript/src/api-error.ts";
import type { File as StoredFile } from "../../../clients/typescript/src/schema.ts";
import { signingIn } from "../api.ts";

/** A request of which nothing is heard for this time is lost. */
const MAX_SILENCE_MS = 60_000;

/**
 * Send the bytes of a file and return what the service says of it. `onProgress` is called with the part that was sent,
 * from 0 to 1.
 *
 * Throws `ApiError` for an error response, `TypeError` when the service cannot be reached, and the signal's reason.
 */
export function sendFile(
  bytes: Blob, name: string, signal: AbortSignal, onProgress: (sent: number) => void,
): Promise<StoredFile> {
  return signingIn(async () => {
    const response = await post(bytes, name, signal, onProgress);
    if (!response.ok) throw await readError(response);
    return response.json();
  });
}

/** Return the value of the header that names a file (RFC 6266 and RFC 8187). */
export const nameHeader = (name: string): string =>
  `attachment; filename*=UTF-8''${encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, encodeChar)}`;

const encodeChar = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;

function post(
  bytes: Blob, name: string, signal: AbortSignal, onProgress: (sent: number) => void,
): Promise<Response> {
  const request = new XMLHttpRequest();
  request.open("POST", "api/files");
  request.setRequestHeader("content-type", bytes.type || "application/octet-stream");
  request.setRequestHeader("content-disposition", nameHeader(name));
  return new Promise((resolve, reject) => {
    const fail = (why: unknown) => (): void => (reject(why), request.abort());
    const lose = fail(new TypeError("the file did not get through"));
    let silence = setTimeout(lose, MAX_SILENCE_MS);
    request.upload.onprogress = ({ loaded, total }) => {
      clearTimeout(silence);
      silence = setTimeout(lose, MAX_SILENCE_MS);
      onProgress(total === 0 ? 0 : loaded / total);
    };
    const cancel = (): void => fail(signal.reason)();
    signal.addEventListener("abort", cancel);
    request.onerror = lose;
    request.onload = () => resolve(responseOf(request));
    request.onloadend = () => {
      clearTimeout(silence);
      signal.removeEventListener("abort", cancel);
    };
    request.send(bytes);
  });
}

function responseOf(request: XMLHttpRequest): Response {
  const names = ["content-type", "retry-after"];
  const headers = names.map((name) => [name, request.getResponseHeader(name) ?? ""] satisfies [string, string]);
  return new Response(request.responseText, { status: request.status, headers });
}
