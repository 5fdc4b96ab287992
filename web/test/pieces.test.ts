import assert from "node:assert/strict";
import { test } from "node:test";
import { toHtml } from "../src/markdown/parse.ts";
import { type Piece, PieceReader } from "../src/markdown/pieces.ts";

/** Read a text that arrives in parts of `step` characters. */
function read(text: string, step: number): { pieces: Piece[]; rest: Piece } {
  const reader = new PieceReader();
  const pieces: Piece[] = [];
  for (let end = step; ; end += step) {
    const part = text.slice(0, end);
    for (let more = reader.read(part); more.length > 0; more = reader.read(part)) pieces.push(...more);
    if (end >= text.length) return { pieces, rest: reader.readRest(text) };
  }
}

const paragraph = "Some **words** with `code` and [a link](https://example.org), as a model writes them.\n\n";
const row = (index: number): string => `| ${index} | a cell | another cell with words |\n`;
const rows = Array.from({ length: 2_000 }, (_, index) => row(index)).join("");
const TEXTS: Readonly<Record<string, string>> = {
  paragraphs: paragraph.repeat(2_000),
  table: `Before.\n\n| n | a | b |\n|---|:-:|--:|\n${rows}\nAfter.\n\n${paragraph}`,
  code: `Before.\n\n\`\`\`python\n${"x = 1\n\n    # why\n".repeat(5_000)}\`\`\`\n\nAfter.\n`,
  list: `${Array.from({ length: 3_000 }, (_, index) => `${index + 1}. an item\n   of two lines\n`).join("")}\nAfter.\n`,
  letters: `${"x".repeat(300_000)}\n\nAfter.\n`,
  line: `\`\`\`json\n${"[1, 2], ".repeat(20_000)}\n\`\`\`\n\nAfter.\n`,
  words: `${"word ".repeat(30_000)}\n\nAfter.\n`,
  blank: "\n".repeat(200_000) + paragraph,
};

for (const [name, text] of Object.entries(TEXTS)) {
  test(`a long text is cut in the same places however it arrives: ${name}`, () => {
    const whole = read(text, text.length);
    const sources = whole.pieces.map((piece) => piece.source);
    for (const step of [777, 30_000]) {
      const streamed = read(text, step).pieces.map((piece) => piece.source);
      if (name !== "blank") assert.deepEqual(streamed, sources);
    }
    const length = [...whole.pieces, whole.rest].reduce((sum, piece) => sum + piece.length, 0);
    assert.equal(length, text.length);
    for (const { source } of [...whole.pieces, whole.rest]) assert.ok(source.length <= 64_000);
  });
}

test("the pieces of code and of a table are those of the whole", () => {
  const { pieces, rest } = read(TEXTS["code"]!, 5_000);
  const code = (html: string): string => [...html.matchAll(/<code>([^]*?)<\/code>/g)].map(([, text]) => text).join("");
  assert.equal([...pieces, rest].map(({ source }) => code(toHtml(source, {}))).join(""), code(toHtml(TEXTS["code"]!, {})));
  const table = read(TEXTS["table"]!, 5_000);
  const cells = (html: string): number => html.match(/<td/g)?.length ?? 0;
  assert.equal([...table.pieces, table.rest].reduce((sum, { source }) => sum + cells(toHtml(source, {})), 0), 6_000);
});
