// A chat of the AI SDK, unchanged, driven by lines of JSON: one command in, one state out.
// node ai_sdk.mjs VERSION '{"url", "id", "messages"?, "body"?, "reduced"?, "automatic"?}'
//
// {"call": "sendMessage", "with": [...]}   call a method of the chat and wait for it
// {"begin": "sendMessage", "with": [...]}  call it and do not wait
// {"until": "text"}                        wait until the last message's parts have this text
// {"settle": true}                         wait for what was begun
import { createInterface } from "node:readline";

const [version, json] = process.argv.slice(2);
const options = JSON.parse(json);
const ai = await import(`ai${version}`);

class State {
  #changed = () => {};
  status = "ready";
  error = undefined;
  constructor(messages) {
    this.messages = messages;
  }
  pushMessage = (message) => this.#set([...this.messages, message]);
  popMessage = () => this.#set(this.messages.slice(0, -1));
  replaceMessage = (index, message) =>
    this.#set([...this.messages.slice(0, index), structuredClone(message), ...this.messages.slice(index + 1)]);
  snapshot = (value) => structuredClone(value);
  #set(messages) {
    this.messages = messages;
    this.#changed();
  }
  async until(text) {
    while (!JSON.stringify(this.messages.at(-1)?.parts ?? []).includes(text)) {
      await new Promise((resolve) => (this.#changed = resolve));
    }
  }
}

class Chat extends ai.AbstractChat {
  constructor({ messages, ...init }) {
    super({ ...init, state: new State(messages) });
  }
  until = (text) => this.state.until(text);
}

const seen = { toolCalls: [], end: null };
const lastAlone = ({ id, messages, trigger, messageId, body }) => ({
  body: { ...body, id, message: messages.at(-1), trigger, messageId },
});
const chat = new Chat({
  id: options.id,
  messages: options.messages ?? [],
  transport: new ai.DefaultChatTransport({
    api: `${options.url}/api/chat`,
    body: options.body,
    ...(options.reduced ? { prepareSendMessagesRequest: lastAlone } : {}),
  }),
  onToolCall: ({ toolCall }) => void seen.toolCalls.push(toolCall.toolName),
  onFinish: ({ isAbort, isError, isDisconnect, finishReason }) => {
    seen.end = { isAbort, isError, isDisconnect, finishReason };
  },
  ...(options.automatic ? { sendAutomaticallyWhen: ai.lastAssistantMessageIsCompleteWithToolCalls } : {}),
});

let begun = Promise.resolve();
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.call) await chat[command.call](...command.with);
  if (command.begin) begun = chat[command.begin](...command.with);
  if (command.until) await chat.until(command.until);
  if (command.settle) await begun;
  while (command.settle && ["submitted", "streaming"].includes(chat.status)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { status, error, messages } = chat;
  console.log(JSON.stringify({ status, error: error?.message, messages, ...seen }));
}
