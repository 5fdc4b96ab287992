// OpenAI's SDK for Node, driven by lines of JSON: {"method", "with", "until", "final"}; each is answered by one line.
//   method  such as "responses.create", called with the arguments of `with`
//   until   of a stream: the type (or `object`) of the event after which it is left
//   final   of a helper: the method that gives its result
import { createInterface } from "node:readline";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "any", maxRetries: 0 });

async function read(stream, until) {
  const events = [];
  for await (const event of stream) {
    events.push(event);
    if (until && (event.type ?? event.object) === until) break; // leaving the loop aborts the request
  }
  return events;
}

async function run({ method, with: words, until, final }) {
  const path = method.split(".");
  const name = path.pop();
  const target = path.reduce((value, key) => value[key], client);
  const result = final ? target[name](...words) : await target[name](...words);
  if (final) return { value: await result[final]() };
  if (words.some((each) => each?.stream)) return { events: await read(result, until) };
  if (result?.getNextPage) return { value: result.data, more: result.has_more };
  return { value: result };
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = await run(JSON.parse(line));
  } catch (error) {
    answer = { error: { name: error.constructor.name, status: error.status, code: error.code, message: error.message } };
  }
  console.log(JSON.stringify(answer));
}
