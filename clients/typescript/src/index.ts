// A typed client of chatkeep. It has no dependency, and runs in Node 20 or newer and in browsers.

export { ApiError } from "./api-error.ts";
export { Chatkeep, type ChatkeepOptions } from "./client.ts";
export { apply, fold, hasEnded, type Part, type RunStatus, type SessionEvent } from "./events.ts";
export { createId } from "./request.ts";
export type * from "./schema.ts";
export { follow, type FollowOptions, type Frame, FrameParser } from "./stream.ts";
