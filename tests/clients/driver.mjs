// The TypeScript client, as it is packed, driven by lines of JSON: one command in, one state out.
// node driver.mjs '{"url"}'
//
// {"call": "send", "with": [...]}   call a method, and return its result or its error
// {"begin": "read", "with": [...]}  begin to read what a method yields
// {"until": "text"}                 wait until the last value that it has yielded has this text
// {"without": "text"}               wait until it has this text no longer
// {"settle": true}                  wait until it has ended
import { createInterface } from "node:readline";
import { Chatkeep } from "chatkeep";

class Reading {
  values = 0;
  last = null;
  error;
  isOver = false;
  #changed = () => {};
  constructor(iterator) {
    this.over = this.#read(iterator);
  }
  async #read(iterator) {
    try {
      for await (const value of iterator) {
        this.values += 1;
        this.last = value;
        this.#changed();
      }
    } catch (error) {
      this.error = describe(error);
    }
    this.isOver = true;
    this.#changed();
  }
  async until(text, isThere = true) {
    while (!this.isOver && JSON.stringify(this.last).includes(text) !== isThere) {
      await new Promise((resolve) => (this.#changed = resolve));
    }
  }
}

const describe = (error) => ({ name: error.name, message: error.message, code: error.problem?.code });
const losses = [];
const client = new Chatkeep({
  ...JSON.parse(process.argv[2]),
  onConnectionChange: (isConnected, why) => void (isConnected || losses.push(String(why))),
});
let reading = null;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let result, error;
  try {
    if (command.call) result = await client[command.call](...command.with);
  } catch (failed) {
    error = describe(failed);
  }
  if (command.begin) reading = new Reading(client[command.begin](...command.with));
  if (command.until) await reading.until(command.until);
  if (command.without) await reading.until(command.without, false);
  if (command.settle) await reading.over;
  const { last, values, isOver } = reading ?? {};
  console.log(JSON.stringify({ result, error: error ?? reading?.error, last, values, isOver, losses }));
}
process.exit(0);
