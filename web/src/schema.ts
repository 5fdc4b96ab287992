// Written by web/schema.py from the service's OpenAPI document; a test keeps it current.

/** An assistant, with what a user might say first. */
export interface AssistantDetails {
  name: string;
  description: string;
  model: string | null;
  tools: readonly ToolView[];
  starters: readonly string[];
}

/** All assistants. */
export interface AssistantPage {
  data: readonly AssistantView[];
  next: string | null;
}

/** An assistant. */
export interface AssistantView {
  name: string;
  description: string;
  model: string | null;
  tools: readonly ToolView[];
}

/** Why a function call failed, as it is told to the model. */
export interface CallError {
  code: string;
  message: string;
}

/** A function that the client runs. One that is declared in the service may be named alone. */
export interface ClientTool {
  name: string;
  description?: string | null;
  parameters?: Readonly<Record<string, unknown>> | null;
}

/** An event of a run's stream. */
export type Event = RunStarted | TextDelta | ReasoningDelta | RefusalDelta | StepStarted | ToolCallStarted | ToolCallDelta | ToolCallReady | ToolCallRunning | ToolCallFinished | RunWaiting | RunResumed | RunFinished;

/** Something the user asked to be remembered, across sessions. */
export interface Fact {
  id: string;
  text: string;
  created_at: string;
}

/** Facts, newest first; `next` is the `before` of the next page. */
export interface FactPage {
  data: readonly Fact[];
  next: string | null;
}

/** Where a request is wrong, and how. */
export interface FieldProblem {
  loc: readonly (string | number)[];
  msg: string;
  type: string;
}

/** A message that a search has found, with the text around what was looked for. */
export interface Found {
  session_id: string;
  session_title: string | null;
  message_id: string;
  role: "assistant" | "user";
  snippet: string;
  created_at: string;
}

/** Messages that were found. */
export interface FoundPage {
  data: readonly Found[];
  next: string | null;
}

/** `ok`, or what is wrong. */
export interface Health {
  status: string;
  checks: Readonly<Record<string, string>>;
}

/** One message. A whole turn of the assistant, with all its model calls and functions, is one. */
export interface Message {
  id: string;
  session_id: string;
  parent_id: string | null;
  seq: number;
  role: "assistant" | "user";
  parts: readonly (TextPart | ReasoningPart | RefusalPart | StepPart | ToolCallPart)[];
  run_id: string | null;
  status: "cancelled" | "completed" | "failed" | "in_progress" | "incomplete" | "interrupted" | "requires_action";
  created_at: string;
}

/** Messages, oldest first. `position` is where `GET /api/sessions/{id}/events` goes on. */
export interface MessagePage {
  data: readonly Message[];
  next: string | null;
  position: string;
}

/** What the user says. `parent_id` left out: after the head; null: as a new first message. */
export interface NewMessage {
  content: string;
  parent_id?: string | null;
  on_busy?: "reject" | "interrupt";
  tools?: readonly ClientTool[];
  model?: string | null;
}

/** A user message to be answered once more. */
export interface NewRun {
  message_id: string;
  model?: string | null;
  on_busy?: "reject" | "interrupt";
}

/** A session to be made; every field may be left out. */
export interface NewSession {
  id?: string | null;
  title?: string | null;
  assistant?: string | null;
  model?: string | null;
  metadata?: Readonly<Record<string, string>> | null;
}

/** Why a run failed; `code` is one of `docs/protocol.md` §7. */
export interface Problem {
  code: string;
  message: string;
  retryable: boolean;
}

/** An error, RFC 9457; `code` is what a program should look at. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  errors?: readonly FieldProblem[] | null;
  run_id?: string | null;
  message_id?: string | null;
}

/** What a model was told: the system prompt as rendered, and the functions as they were offered to it. */
export interface PromptView {
  assistant: string;
  hash: string;
  prompt: string;
  functions: readonly Readonly<Record<string, unknown>>[];
}

/** More of what the model thinks aloud. */
export interface ReasoningDelta {
  type: "reasoning.delta";
  position: number;
  index: number;
  text: string;
}

/** What the model thought aloud; shown, never sent back. */
export interface ReasoningPart {
  type: "reasoning";
  text: string;
}

/** More of the model's words for declining. */
export interface RefusalDelta {
  type: "refusal.delta";
  position: number;
  index: number;
  text: string;
}

/** The model's own words for declining (OpenAI's `refusal`). */
export interface RefusalPart {
  type: "refusal";
  text: string;
}

/** One answer being made, or made. */
export interface Run {
  id: string;
  session_id: string;
  number: number;
  user_message_id: string;
  message_id: string;
  status: "cancelled" | "completed" | "failed" | "in_progress" | "incomplete" | "interrupted" | "requires_action";
  model: string;
  finish_reason: string | null;
  error: Problem | null;
  usage: Usage;
  attempt: number;
  position: number;
  created_at: string;
  started_at: string | null;
  first_token_at: string | null;
  finished_at: string | null;
}

/** A run with the message it answers and its own. */
export interface RunAnswer {
  run: Run;
  user_message: Message;
  message: Message;
}

/** The last event of every run, exactly once; `message` is whole. */
export interface RunFinished {
  type: "run.finished";
  position: number;
  run: Run;
  message: Message;
}

/** The run goes on after the client's outputs, or without them after the deadline. */
export interface RunResumed {
  type: "run.resumed";
  position: number;
}

/** The first event of every run; `message` is the empty assistant message. */
export interface RunStarted {
  type: "run.started";
  position: number;
  run: Run;
  user_message: Message;
  message: Message;
}

/** The run waits for the client to answer `calls` (call ids), until `deadline`. */
export interface RunWaiting {
  type: "run.waiting";
  position: number;
  calls: readonly string[];
  deadline: string;
}

/** A conversation. `head_id` is the last message of its active branch. */
export interface Session {
  id: string;
  title: string | null;
  assistant: string;
  model: string | null;
  metadata: Readonly<Record<string, string>>;
  status: "busy" | "idle" | "requires_action";
  head_id: string | null;
  message_count: number;
  created_at: string;
  updated_at: string;
}

/** What is to change; a field that is left out stays. */
export interface SessionChange {
  title?: string | null;
  assistant?: string | null;
  model?: string | null;
  metadata?: Readonly<Record<string, string>> | null;
  head_id?: string | null;
}

/** Sessions; `next` is the `before` of the next page. */
export interface SessionPage {
  data: readonly Session[];
  next: string | null;
}

/** A new model call begins here, every one after the first. */
export interface StepPart {
  type: "step";
}

/** The model is asked again within the same turn. */
export interface StepStarted {
  type: "step.started";
  position: number;
  index: number;
}

/** More of what the model says, for the part at `index`. */
export interface TextDelta {
  type: "text.delta";
  position: number;
  index: number;
  text: string;
}

/** What the assistant, or the user, said. */
export interface TextPart {
  type: "text";
  text: string;
}

/** A fragment of a call's arguments, as the model sent it. */
export interface ToolCallDelta {
  type: "tool_call.delta";
  position: number;
  index: number;
  arguments_text: string;
}

/** The call has come to its end. */
export interface ToolCallFinished {
  type: "tool_call.finished";
  position: number;
  index: number;
  state: "cancelled" | "failed" | "succeeded" | "unknown";
  output: unknown;
  error: CallError | null;
}

/** A function call. `arguments_text` is what the model sent; `arguments` is set once it proved valid. */
export interface ToolCallPart {
  type: "tool_call";
  call_id: string;
  name: string;
  kind: "action" | "client" | "reply" | null;
  arguments_text: string;
  arguments: Readonly<Record<string, unknown>> | null;
  state: "cancelled" | "failed" | "ready" | "running" | "streaming" | "succeeded" | "unknown" | "waiting";
  output: unknown;
  error: CallError | null;
}

/** The arguments are complete and valid. */
export interface ToolCallReady {
  type: "tool_call.ready";
  position: number;
  index: number;
  arguments: Readonly<Record<string, unknown>>;
}

/** The function is about to run; committed before it does. */
export interface ToolCallRunning {
  type: "tool_call.running";
  position: number;
  index: number;
}

/** The model begins to call a function; `kind` is None for a function nobody knows. */
export interface ToolCallStarted {
  type: "tool_call.started";
  position: number;
  index: number;
  call_id: string;
  name: string;
  kind: "action" | "client" | "reply" | null;
}

/** What came of a call: `output`, any JSON, or `error`, a text for the model. */
export interface ToolOutput {
  call_id: string;
  output?: unknown;
  error?: string | null;
}

/** Answers to calls that wait. */
export interface ToolOutputs {
  outputs: readonly ToolOutput[];
}

/** A function of an assistant. */
export interface ToolView {
  name: string;
  description: string;
  parameters: Readonly<Record<string, unknown>>;
  kind: "action" | "client" | "reply";
}

/** Tokens of a run, summed over its model calls; `estimated` where the provider reported none. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  estimated: boolean;
}
