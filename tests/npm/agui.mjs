// An agent of AG-UI's client, unchanged, driven by lines of JSON: one command in, one state out.
// node agui.mjs '{"url", "threadId", "initialMessages"?}'
//
// {"say": "text", "run": {...}}      add a user message, and run the agent
// {"add": {message}, "run": {...}}   add a message, and run the agent
// {"run": {...}}                     run the agent; `run` has runId, tools, resume
import { createInterface } from "node:readline";
import { HttpAgent } from "@ag-ui/client";

const agent = new HttpAgent(JSON.parse(process.argv[2]));
let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.say) agent.addMessage({ id: `said-${++count}`, role: "user", content: command.say });
  if (command.add) agent.addMessage(command.add);
  let error;
  const events = [];
  try {
    await agent.runAgent(command.run ?? {}, {
      onEvent: ({ event }) => void events.push(event),
      onRunFailed: ({ error: failed }) => void (error = failed.message),
    });
  } catch (failed) {
    error = failed.message;
  }
  console.log(JSON.stringify({ error, events, messages: agent.messages }));
}
