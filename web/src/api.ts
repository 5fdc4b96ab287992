// The service's HTTP API as functions. URLs are relative to the page, so that it can be served under any path.

import { ApiError, readError } from "../../clients/typescript/src/api-error.ts";
import { createId, request as sendRequest } from "../../clients/typescript/src/request.ts";
import type { ImportReport, MessagePage, Run, RunAnswer, Session } from "../../clients/typescript/src/schema.ts";
import { signInAgain } from "./sign-in.ts";

export { ApiError, createId };

/**
 * Send a request and return the JSON of its response; undefined for 204.
 *
 * Throws what the client's `request` throws. Where the service asks for a sign-in, the page goes there.
 */
export const request = <T>(method: string, path: string, body?: unknown, headers?: HeadersInit): Promise<T> =>
  signingIn(() => sendRequest<T>(method, `api/${path}`, body, headers));

/** Return what `send` returns. Where the service asks for a sign-in, the page goes there. */
export async function signingIn<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) signInAgain(error.problem?.sign_in);
    throw error;
  }
}

export const get = <T>(path: string): Promise<T> => request<T>("GET", path);

/** Return up to `limit` messages of all branches, the last ones before the cursor `before`; null: the newest ones. */
export const listMessages = (sessionId: string, limit: number, before: string | null): Promise<MessagePage> =>
  get(`sessions/${sessionId}/messages?branches=all&limit=${limit}${before ? `&before=${before}` : ""}`);

/** Send a file of chats, and return what was taken. It may take minutes; the same file again is taken once. */
export async function importArchive(file: File): Promise<ImportReport> {
  const headers = { "content-type": "application/octet-stream" };
  const response = await fetch("api/import", { method: "POST", body: file, headers });
  if (!response.ok) throw await readError(response);
  return response.json();
}

type SessionFields = Partial<Pick<Session, "title" | "head_id" | "assistant" | "model">>;

export const changeSession = (sessionId: string, changes: SessionFields): Promise<Session> =>
  request("PATCH", `sessions/${sessionId}`, changes);

/** Sign this browser out, where it has signed in at an issuer. The route is no part of the API. */
export const signOut = (): Promise<undefined> => request("POST", "../auth/logout");

export const cancelRun = (runId: string): Promise<Run> => request("POST", `runs/${runId}/cancel`);

/** Send the output of a client function's call. Returns at once, and does not wait for the answer that follows. */
export const sendToolOutput = (runId: string, call_id: string, output: unknown): Promise<RunAnswer> =>
  request("POST", `runs/${runId}/tool-outputs`, { outputs: [{ call_id, output }] }, { prefer: "respond-async" });
