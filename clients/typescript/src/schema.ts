// Written by web/schema.py from the service's OpenAPI document; a test keeps it current.

/** An assistant, with what a user might say first. */
export interface AssistantDetails {
  name: string;
  description: string;
  model: string | null;
  tools: readonly ToolView[];
  instructions: boolean;
  starters: readonly string[];
}

/** All assistants. */
export interface AssistantPage {
  data: readonly AssistantView[];
  next: string | null;
}

/** An assistant. `instructions`: a session of it may have instructions of its user. */
export interface AssistantView {
  name: string;
  description: string;
  model: string | null;
  tools: readonly ToolView[];
  instructions: boolean;
}

/** Something that was done about users: who did what to whom. Never content. */
export interface AuditEntry {
  id: string;
  at: string;
  actor: string;
  action: string;
  object: string;
  detail: Readonly<Record<string, string | number>>;
  peer: string | null;
}

/** Entries of the audit table, newest first; `next` is the `before` of the next page. */
export interface AuditPage {
  data: readonly AuditEntry[];
  next: string | null;
}

/** Why a tool call failed, as the model reads it. `docs/functions.md`, "Why a call fails", lists the codes. */
export interface CallError {
  code: string;
  message: string;
}

/** A function of the client. One that is declared in the service may be named alone. `kind`: `client` is run by the client, and its output goes back to the model. The validated arguments of a `reply` are the answer itself. */
export interface ClientTool {
  name: string;
  description?: string | null;
  parameters?: Readonly<Record<string, unknown>> | null;
  kind?: "client" | "reply";
}

/** The fields of a stored completion that change. */
export interface CompletionChange {
  metadata: Readonly<Record<string, string>> | null;
}

/** Numbers of the things that were deleted with a user. `usage_days`: rows of usage, one for each day, model and assistant. Their sums stay, without a user. */
export interface DeletionReceipt {
  sessions: number;
  messages: number;
  facts: number;
  tokens: number;
  sign_ins: number;
  usage_days: number;
  files: number;
}

/** An event of a run's stream. */
export type Event = RunStarted | TextDelta | ReasoningDelta | RefusalDelta | StepStarted | Handover | ToolCallStarted | ToolCallDelta | ProviderStateKept | ToolCallReady | ToolCallRunning | ToolCallFinished | RunWaiting | RunResumed | RunFinished;

/** A sentence that the user asked to be remembered, across sessions. */
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

/** A file of a user. `bytes` is its size. `width` and `height` are a picture's, in pixels, `pages` a PDF's. */
export interface File {
  id: string;
  name: string;
  media_type: string;
  bytes: number;
  width: number | null;
  height: number | null;
  pages: number | null;
  created_at: string;
}

/** A file in a message of the user, or of a function, by its id. `name` is the one that it has in this message. */
export interface FilePart {
  type: "file";
  file_id: string;
  name: string;
  media_type: string;
  bytes: number;
  width: number | null;
  height: number | null;
  pages: number | null;
}

/** Another model goes on with the answer where the one before stopped. `reason` as in `HandoverPart`. */
export interface Handover {
  type: "handover";
  position: number;
  index: number;
  from: string;
  to: string;
  reason: string;
  run_id?: string;
}

/** A seam: one model stopped in mid-answer, and another goes on where it stopped (`chat/texts.py` joins the two). `reason` is the code of the error, or `continue` if the user asked to go on with an answer that was cut. */
export interface HandoverPart {
  type: "handover";
  from: string;
  to: string;
  reason: string;
}

/** `ok`, or what is wrong. */
export interface Health {
  status: string;
  checks: Readonly<Record<string, string>>;
}

/** The outcome of an import. `complete` is false for an archive that breaks off. */
export interface ImportReport {
  source: string;
  complete: boolean;
  taken: Readonly<Record<string, number>>;
  already: Readonly<Record<string, number>>;
  not_taken: readonly NotTaken[];
}

/** The limits of a user; None: there is none of their own, or none at all. */
export interface Limits {
  open_runs: number | null;
  messages_hour: number | null;
  tokens_day: number | null;
  cost_day: number | null;
}

/** Limits of a user; null: the setting's. A limit that is left out stays. The cost is in 10⁻⁹ of the currency. */
export interface LimitsChange {
  open_runs?: number | null;
  messages_hour?: number | null;
  tokens_day?: number | null;
  cost_day?: number | null;
}

/** The caller. `way`: how they are known; `local` where no sign-in is asked for. `limits`: those that hold. */
export interface Me {
  id: string;
  name: string | null;
  role: "admin" | "user";
  way: "jwt" | "local" | "oidc" | "proxy" | "token";
  scope: "chat" | "metrics" | "read";
  expires_at: string | null;
  limits: Limits;
  used: Used;
}

/** One message. A whole turn of the assistant, with all its steps and tool calls, is one message. `client_id` is the id that the client gave a user message, if it gave one. It need not be unique. `claimed`: an answer that was not given here; a client that keeps its own history says that it was. */
export interface Message {
  id: string;
  session_id: string;
  parent_id: string | null;
  seq: number;
  role: "assistant" | "user";
  parts: readonly (FilePart | TextPart | ReasoningPart | RefusalPart | StepPart | HandoverPart | ToolCallPart)[];
  run_id: string | null;
  status: "cancelled" | "completed" | "failed" | "in_progress" | "incomplete" | "interrupted" | "requires_action";
  created_at: string;
  client_id?: string;
  claimed?: boolean;
}

/** Messages, oldest first. `position` is where `GET /api/sessions/{id}/events` goes on. */
export interface MessagePage {
  data: readonly Message[];
  next: string | null;
  position: string;
}

/** All models. */
export interface ModelPage {
  data: readonly ModelView[];
  next: string | null;
}

/** How a model is to answer. One that is left out is not sent: the provider's own default counts then. */
export interface ModelParams {
  temperature?: number | null;
  top_p?: number | null;
  max_output_tokens?: number | null;
  reasoning_effort?: string | null;
  stop?: string | readonly string[] | null;
  seed?: number | null;
  parallel_tool_calls?: boolean | null;
}

/** A model that a session or a message may name. `context_tokens`: the longest prompt; `input`: kinds of parts. */
export interface ModelView {
  name: string;
  provider: string;
  context_tokens: number;
  input: readonly ("audio" | "file" | "image" | "text")[];
  price: PriceView | null;
}

/** The function that a model has to call. */
export interface NamedFunction {
  name: string;
}

/** A file in a message. `name` left out: the file's own. */
export interface NewFile {
  type: "file";
  file_id: string;
  name?: string | null;
}

/** A message of the user. `parent_id` left out: after the head; null: as a new first message. */
export interface NewMessage {
  params?: ModelParams | null;
  tool_choice?: "auto" | "none" | "required" | NamedFunction | null;
  content: string | readonly (NewText | NewFile)[];
  parent_id?: string | null;
  on_busy?: "reject" | "interrupt";
  tools?: readonly ClientTool[];
  model?: string | null;
  client_id?: string | null;
}

/** A user message to be answered once more (`message_id`), or an answer that was cut, to go on with (`continue`). */
export interface NewRun {
  params?: ModelParams | null;
  tool_choice?: "auto" | "none" | "required" | NamedFunction | null;
  message_id?: string | null;
  continue?: string | null;
  model?: string | null;
  on_busy?: "reject" | "interrupt";
}

/** A session to be made; every field may be left out. */
export interface NewSession {
  title?: string | null;
  assistant?: string | null;
  model?: string | null;
  metadata?: Readonly<Record<string, string>> | null;
  params?: ModelParams | null;
  instructions?: string | null;
  id?: string | null;
  temporary?: boolean;
}

/** A text in a message. It may be blank if there is a file beside it. */
export interface NewText {
  type: "text";
  text: string;
}

/** A token to be made: its name, what it may do, and after how many days it is void; never, without them. */
export interface NewTokenRequest {
  name: string;
  scope?: "chat" | "read" | "metrics";
  days?: number | null;
}

/** A new token. `text` is what a script sends, and is shown this once. */
export interface NewTokenView {
  token: Token;
  text: string;
}

/** Things of one kind that were not taken for one reason: how many, and the ids of the first. */
export interface NotTaken {
  kind: "fact" | "file" | "line" | "message" | "part" | "run" | "session";
  reason: "busy" | "cut_off" | "duplicate" | "empty" | "grown" | "hidden" | "no_file" | "no_message" | "no_parent" | "no_session" | "not_understood" | "refused" | "system" | "too_long" | "too_many" | "tool" | "unsupported";
  count: number;
  examples: readonly string[];
}

/** The answer to a request below `/v1` that is refused or fails. */
export interface OpenAIError {
  error: OpenAIErrorFields;
}

/** An error, as OpenAI's clients read it. `code` is that of the problem document; `param` is the field at fault. */
export interface OpenAIErrorFields {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
  request_id: string | null;
  run_id: string | null;
  message_id: string | null;
}

/** A piece of a text that was found. `match`: these are words that were asked for. */
export interface Piece {
  text: string;
  match: boolean;
}

/** Prices of a million tokens. `cached_input` is null where it is the same as `input`. */
export interface PriceView {
  input: number;
  cached_input: number | null;
  output: number;
  currency: string;
}

/** Why a run failed. `docs/http-api.md`, "Errors of a run", lists the codes. */
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
  request_id?: string | null;
  errors?: readonly FieldProblem[] | null;
  run_id?: string | null;
  message_id?: string | null;
  sign_in?: string | null;
  limit?: "cost_day" | "messages_hour" | "open_runs" | "tokens_day" | null;
  resets_at?: string | null;
}

/** A run's prompt: the system prompt as rendered, the functions as they were offered to the model, and parameters. `params` are those of the request and of the assistant. */
export interface PromptView {
  assistant: string;
  hash: string;
  prompt: string;
  functions: readonly Readonly<Record<string, unknown>>[];
  params: Readonly<Record<string, unknown>>;
}

/** State that a provider wants back with the part it came with, such as a signature of its reasoning. It means nothing to anyone but the provider and model that made it, and only they get it. `value` has the fields as that provider names them; null stands for the part's own text. */
export interface ProviderState {
  provider: string;
  model: string;
  value: Readonly<Record<string, unknown>>;
}

/** The provider wants `value` back with the part at `index`. A part that is not there yet is a reasoning. */
export interface ProviderStateKept {
  type: "provider_state";
  position: number;
  index: number;
  provider: string;
  model: string;
  value: Readonly<Record<string, unknown>>;
  run_id?: string;
}

/** More of the model's thinking aloud. */
export interface ReasoningDelta {
  type: "reasoning.delta";
  position: number;
  index: number;
  text: string;
  run_id?: string;
}

/** The model's thinking aloud. Shown to the user; sent back only where `provider_state` says so. */
export interface ReasoningPart {
  type: "reasoning";
  text: string;
  provider_state?: ProviderState;
}

/** More of the model's words for declining. */
export interface RefusalDelta {
  type: "refusal.delta";
  position: number;
  index: number;
  text: string;
  run_id?: string;
}

/** The model's own words for declining (`refusal` in OpenAI's API). */
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

/** The last event of every run, exactly once. `message` is the whole final message. */
export interface RunFinished {
  type: "run.finished";
  position: number;
  run: Run;
  message: Message;
  run_id?: string;
}

/** The run goes on: after the client's outputs, or without them after the deadline. */
export interface RunResumed {
  type: "run.resumed";
  position: number;
  run_id?: string;
}

/** The first event of every run. `message` is the answer: empty, or with the parts of one that it continues. */
export interface RunStarted {
  type: "run.started";
  position: number;
  run: Run;
  user_message: Message;
  message: Message;
  run_id?: string;
}

/** The run waits until `deadline` for the client to give the outputs of `calls` (call ids). */
export interface RunWaiting {
  type: "run.waiting";
  position: number;
  calls: readonly string[];
  deadline: string;
  run_id?: string;
}

/** A message that matches a search. `snippet` is the text around the query's first word, and so are `pieces`. */
export interface SearchResult {
  session_id: string;
  session_title: string | null;
  message_id: string;
  role: "assistant" | "user";
  snippet: string;
  pieces: readonly Piece[];
  created_at: string;
}

/** Messages that were found, and sessions whose title has the words; `next` is the `before` of the next page. */
export interface SearchResultPage {
  data: readonly SearchResult[];
  sessions: readonly Session[];
  next: string | null;
}

/** A conversation. `head_id` is the last message of its active branch. `params` are the parameters of every answer, `instructions` are added to the system prompt. A `temporary` one stands in no list, is not searched, and is deleted some time after its last use. */
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
  params: Readonly<Record<string, unknown>>;
  instructions: string | null;
  temporary: boolean;
}

/** The fields to change; one that is left out stays. `params` are replaced as a whole. */
export interface SessionChange {
  title?: string | null;
  assistant?: string | null;
  model?: string | null;
  metadata?: Readonly<Record<string, string>> | null;
  params?: ModelParams | null;
  instructions?: string | null;
  head_id?: string | null;
}

/** The session is gone; the stream closes. */
export interface SessionDeleted {
  type: "session.deleted";
  session_id: string;
}

/** An event of a session's stream: of one of its runs, or a change of the session itself. */
export type SessionEvent = RunStarted | TextDelta | ReasoningDelta | RefusalDelta | StepStarted | Handover | ToolCallStarted | ToolCallDelta | ProviderStateKept | ToolCallReady | ToolCallRunning | ToolCallFinished | RunWaiting | RunResumed | RunFinished | SessionUpdated | SessionDeleted;

/** Sessions; `next` is the `before` of the next page. */
export interface SessionPage {
  data: readonly Session[];
  next: string | null;
}

/** Between the runs of a session: it was changed. */
export interface SessionUpdated {
  type: "session.updated";
  session: Session;
}

/** The list of your sessions may have changed: read it again. */
export interface SessionsChanged {
  type: "sessions.changed";
}

/** The start of a new model call: of every one after the first. */
export interface StepPart {
  type: "step";
}

/** The model is asked again within the same turn. */
export interface StepStarted {
  type: "step.started";
  position: number;
  index: number;
  run_id?: string;
}

/** More text of the answer, for the part at `index`. */
export interface TextDelta {
  type: "text.delta";
  position: number;
  index: number;
  text: string;
  run_id?: string;
}

/** Words of the user or of the assistant. */
export interface TextPart {
  type: "text";
  text: string;
  provider_state?: ProviderState;
}

/** A user's own token, without its secret. */
export interface Token {
  id: string;
  name: string;
  scope: "chat" | "metrics" | "read";
  created_at: string;
  expires_at: string | null;
  used_at: string | null;
  revoked_at: string | null;
}

/** Tokens, newest first; `next` is the `before` of the next page. */
export interface TokenPage {
  data: readonly Token[];
  next: string | null;
}

/** A fragment of a call's arguments, as the model sent it. */
export interface ToolCallDelta {
  type: "tool_call.delta";
  position: number;
  index: number;
  arguments_text: string;
  run_id?: string;
}

/** The call has ended. Only a call that succeeded has an `output`, only one that failed has an `error`. `files` are those that the function returned, if it returned some. */
export interface ToolCallFinished {
  type: "tool_call.finished";
  position: number;
  index: number;
  state: "cancelled" | "failed" | "succeeded" | "unknown";
  output: unknown;
  error: CallError | null;
  files?: readonly FilePart[];
  run_id?: string;
}

/** A tool call. `arguments_text` is what the model sent; `arguments` is null until that is complete and valid. `files` are those that the function returned beside its output. */
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
  provider_state?: ProviderState;
  files?: readonly FilePart[];
}

/** The arguments are complete and valid. */
export interface ToolCallReady {
  type: "tool_call.ready";
  position: number;
  index: number;
  arguments: Readonly<Record<string, unknown>>;
  run_id?: string;
}

/** The function is about to run. This event is committed before it starts. */
export interface ToolCallRunning {
  type: "tool_call.running";
  position: number;
  index: number;
  run_id?: string;
}

/** The model begins to call a function. `kind` is null for a function that is not known. */
export interface ToolCallStarted {
  type: "tool_call.started";
  position: number;
  index: number;
  call_id: string;
  name: string;
  kind: "action" | "client" | "reply" | null;
  run_id?: string;
}

/** The result of a call: `output`, any JSON, or `error`, a text for the model. */
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

/** Tokens and cost of a run, summed over its model calls. `estimated`: the provider did not report one of them. The cached input is part of the input, the reasoning part of the output. `cost` is in 10⁻⁹ of the currency, null if the price of one of the calls is not known. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  reasoning_tokens: number;
  cost: number | null;
  estimated: boolean;
}

/** Usage between two days, both included, by day, model or user; `next` is the `after` of the next page. */
export interface UsagePage {
  from: string;
  to: string;
  by: string;
  currency: string;
  data: readonly UsageSum[];
  next: string | null;
}

/** The usage of a day, a model or a user, which `key` names. `runs` have ended, `failures` are those of them that failed. The cached input is part of the input, the reasoning part of the output. `cost` is without the `unpriced_calls`, those of models whose price is not known. */
export interface UsageSum {
  key: string;
  runs: number;
  failures: number;
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  cost: number;
  unpriced_calls: number;
}

/** The use of the limits now, that of open runs as it was reserved. `open_runs` and `messages_hour` are None for a user without limits: they are not counted then. */
export interface Used {
  open_runs: number | null;
  messages_hour: number | null;
  tokens_day: number;
  cost_day: number;
}

/** The fields that an admin changes of a user; a field that is left out stays. */
export interface UserChange {
  role?: "user" | "admin" | null;
  disabled?: boolean | null;
  limits?: LimitsChange | null;
}

/** Users; `next` is the `after` of the next page. */
export interface UserPage {
  data: readonly UserView[];
  next: string | null;
}

/** A user, and the limits of their own; where there is none, the setting's holds. */
export interface UserView {
  id: string;
  issuer: string | null;
  subject: string | null;
  name: string | null;
  role: "admin" | "user";
  disabled_at: string | null;
  created_at: string;
  seen_at: string | null;
  limits: Limits;
}
