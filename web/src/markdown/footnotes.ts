// Footnotes: `[^name]` in the text, `[^name]: the note` in lines of its own. A note is shown where it stands, which is
// the end of an answer nearly always: so a note that streams in changes nothing above it. marked-footnote would gather
// them, and draw the whole answer anew for each. `number-notes.ts` gives them numbers.

import type { TokenizerAndRendererExtension, Token } from "marked";
import { escapeHtml, findLine } from "./text.ts";

const NAME = String.raw`\[\^([^\]\s]{1,60})\]`;
const REFERENCE = new RegExp(`^${NAME}(?!:)`);
/** The first line, lines that follow it without a blank one, and paragraphs that are indented. */
const NOTE = new RegExp(
  `^ {0,3}${NAME}:[ \\t]*([^\\n]*(?:\\n(?![ \\t]*(?:\\n|$)| {0,3}\\[\\^)[^\\n]+|\\n(?:[ \\t]*\\n)+(?: {2,4}|\\t)[^\\n]+)*)(?:\\n+|$)`,
);

const NEXT_NOTE = new RegExp(`\\n {0,3}${NAME}:`);

export const footnoteReference: TokenizerAndRendererExtension = {
  name: "footnoteReference",
  level: "inline",
  start: (src) => src.slice(0, 1) === "[" ? 0 : undefined,
  tokenizer(src) {
    const match = REFERENCE.exec(src);
    return match ? { type: "footnoteReference", raw: match[0], name: match[1]! } : undefined;
  },
  renderer: ({ name, raw }) => `<sup data-note="${escapeHtml(name as string)}">${escapeHtml(raw)}</sup>`,
};

export const footnote: TokenizerAndRendererExtension = {
  name: "footnote",
  level: "block",
  childTokens: ["tokens"],
  start: (src) => findLine(src, NEXT_NOTE),
  tokenizer(src) {
    const match = NOTE.exec(src);
    if (!match) return undefined;
    const tokens: Token[] = this.lexer.blockTokens(match[2]!.replace(/\n(?: {1,4}|\t)/g, "\n"), []);
    return { type: "footnote", raw: match[0], name: match[1]!, tokens };
  },
  renderer(token) {
    return `<div data-note="${escapeHtml(token["name"] as string)}">${this.parser.parse(token.tokens ?? [])}</div>`;
  },
};
