// Errors of the service, as problem documents (RFC 9457).

import type { ProblemDocument } from "./schema.ts";

/** An error response of the service. `problem.code` is one of the error codes in docs/http-api.md. */
export class ApiError extends Error {
  readonly status: number;
  /** The body of the response; null when it was not a problem document, for example from a proxy. */
  readonly problem: ProblemDocument | null;
  /** The response's Retry-After in milliseconds; null when it has none. */
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: ProblemDocument | null, retryAfterMs: number | null = null) {
    super(problem?.detail ?? `the service answered ${status}`);
    this.name = "ApiError";
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
