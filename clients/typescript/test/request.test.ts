import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../src/api-error.ts";
import { createId, repeat } from "../src/request.ts";

const problem = (code: string): ApiError["problem"] => ({ type: "", title: "", status: 0, detail: code, code });

/** Fail with `errors`, one after the other, then succeed. Returns how often it was tried, and the error at its end. */
async function attempts(...errors: unknown[]): Promise<[number, unknown]> {
  let count = 0;
  const send = async (): Promise<void> => {
    const error = errors[count++];
    if (error !== undefined) throw error;
  };
  const failed = await repeat(send).catch((error: unknown) => error);
  return [count, failed];
}

test("a request is repeated while the service cannot be reached", async () => {
  assert.deepEqual(await attempts(new TypeError("fetch failed")), [2, undefined]);
});

test("a refusal that passes soon is repeated at the time that it names", async () => {
  assert.deepEqual(await attempts(new ApiError(503, problem("shutting_down"), 1)), [2, undefined]);
});

test("a refusal that lasts is not repeated", async () => {
  for (const error of [
    new ApiError(422, problem("invalid_request")),
    new ApiError(409, problem("session_busy")),
    new ApiError(429, problem("too_many_runs"), 3_600_000),
  ]) {
    assert.deepEqual(await attempts(error), [1, error]);
  }
});

test("ids are UUIDs of version 4", () => {
  assert.match(createId(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(createId(), createId());
});
