// The service, as functions. Addresses are relative to the page, so that it may live under any path.

import type { MessagePage, ProblemDocument, Run, RunAnswer, Session } from "./schema.ts";

/** The service refused: `code` is one of docs/protocol.md §7. */
export class Refusal extends Error {
  readonly status: number;
  readonly problem: ProblemDocument | null;
  /** Milliseconds after which it is worth trying again, when the service said so. */
  readonly retryAfter: number | null;

  constructor(status: number, problem: ProblemDocument | null, retryAfter: number | null = null) {
    super(problem?.detail ?? `the service answered ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** Whether asking again later, without changing anything, makes sense. */
  get passes(): boolean {
    return this.status >= 500 || this.status === 429 || this.status === 408 || this.problem?.code === "session_busy";
  }
}

/** `Refusal` for an answer that is not good. */
export async function refusal(answer: Response): Promise<Refusal> {
  const isProblem = answer.headers.get("content-type")?.startsWith("application/problem+json");
  const seconds = Number(answer.headers.get("retry-after"));
  return new Refusal(answer.status, isProblem ? await answer.json() : null, seconds > 0 ? seconds * 1000 : null);
}

/** Milliseconds after which a request without an answer counts as lost. */
const PATIENCE = 30_000;

/** Ask the service. Throws `Refusal` when it says no, and `TypeError` or `DOMException` when it cannot be reached. */
export async function ask<T>(method: string, path: string, body?: unknown, headers?: HeadersInit): Promise<T> {
  const answer = await fetch(`api/${path}`, {
    method,
    signal: AbortSignal.timeout(PATIENCE),
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw await refusal(answer);
  return answer.status === 204 ? (undefined as T) : answer.json();
}

export const get = <T>(path: string): Promise<T> => ask<T>("GET", path);

/** The page of messages, of all branches, just before `before` (null: the newest). */
export const listMessages = (session: string, limit: number, before: string | null): Promise<MessagePage> =>
  get(`sessions/${session}/messages?branches=all&limit=${limit}${before ? `&before=${before}` : ""}`);

export const changeSession = (session: string, changes: Partial<Pick<Session, "title" | "head_id" | "assistant">>) =>
  ask<Session>("PATCH", `sessions/${session}`, changes);

export const cancelRun = (run: string): Promise<Run> => ask("POST", `runs/${run}/cancel`);

/** Answer a function that this client runs. */
export const answerCall = (run: string, call_id: string, output: unknown): Promise<RunAnswer> =>
  ask("POST", `runs/${run}/tool-outputs`, { outputs: [{ call_id, output }] }, { prefer: "respond-async" });

/** A new id, also where the page is not served over https and `crypto.randomUUID` does not exist. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8]! & 0x3f) | 0x80; // RFC 9562's variant
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
