import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameParser } from "../src/stream.ts";

const STREAM = 'retry: 1000\nid: 1.1\ndata: {"a":1}\n\n: ping\nid: 1.7\ndata: {"b":"\u2028 : "}\n\ndata: {"hint":true}\n\nid: 1.8\ndata: cut';
const FRAMES = [
  { id: "1.1", data: '{"a":1}' },
  { id: "1.7", data: '{"b":"\u2028 : "}' },
  { id: null, data: '{"hint":true}' },
];

test("a stream may be cut anywhere", () => {
  for (let at = 0; at <= STREAM.length; at++) {
    const parser = new FrameParser();
    assert.deepEqual([...parser.feed(STREAM.slice(0, at)), ...parser.feed(STREAM.slice(at))], FRAMES, `cut at ${at}`);
  }
});

test("a stream may come character by character, and an incomplete frame is held back", () => {
  const parser = new FrameParser();
  assert.deepEqual([...STREAM].flatMap((character) => [...parser.feed(character)]), FRAMES);
});

test("a ping is no frame", () => {
  assert.deepEqual([...new FrameParser().feed(": ping\n: ping\n\n")], []);
});
