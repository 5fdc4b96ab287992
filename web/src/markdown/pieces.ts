// Cuts a text that grows into pieces that are drawn once and for good.
//
// A piece is a block of Markdown: more text does not change the blocks before the last one. A big block is cut, too, into
// pieces that are Markdown by themselves, so that no step of drawing takes long: a table after a row, code after a line,
// a list before an item, a paragraph after a line or a word. Where a block is cut depends on its beginning alone, so that
// the same text is cut in the same places however it arrives.

import type { Token } from "marked";
import { type Links, readBlocks } from "./parse.ts";

/** A block of more characters is cut. Code up to this size gets its colours. */
export const MAX_BLOCK_CHARS = 20_000;
/** A piece of a block that is cut has about this many characters. */
export const PIECE_CHARS = 8_000;
/** Text that is read at a time. */
const WINDOW_CHARS = 64_000;

export interface Piece {
  /** Markdown. For a part of a table or of code it begins with the head of the block. */
  readonly source: string;
  /** Characters of the text that this piece stands for. */
  readonly length: number;
  /** True if it continues the table or the code of the piece before it. */
  readonly isContinued: boolean;
  /** True if it is a block that is not cut. */
  readonly isWhole: boolean;
}

export class PieceReader {
  /** Characters of the text that the pieces so far stand for. */
  position = 0;
  readonly links: Links = Object.create(null);
  /** Null unless `position` is in a block that is cut. Then, the first lines of a table or of code; empty for others. */
  #head: string | null = null;

  /** Return the next pieces of `text`. Empty: more text may change all that follows. */
  read(text: string): readonly Piece[] {
    const window = text.slice(this.position, this.position + WINDOW_CHARS);
    const lastLine = window.lastIndexOf("\n") + 1; // half a line, a lone `2` or `*`, may look like a block's start
    const lines = window.length - lastLine > MAX_BLOCK_CHARS ? window : window.slice(0, lastLine);
    const blocks = this.#readBlocks((this.#head ?? "") + lines);
    const lastIndex = blocks.findLastIndex((block) => block.type !== "space");
    const pieces = blocks.slice(0, lastIndex + 1).flatMap((block, index) => this.#cut(block, index < lastIndex));
    const isStuck = pieces.length === 0 && window.length === WINDOW_CHARS; // nothing but empty lines, for example
    return isStuck ? [this.#take(window, "", false)] : pieces;
  }

  /** Return the text that is in no piece, as Markdown by itself. */
  readRest(text: string): Piece {
    const rest = text.slice(this.position);
    const head = this.#head ?? "";
    return { source: head + rest, length: rest.length, isContinued: head !== "", isWhole: false };
  }

  #readBlocks(text: string): readonly Token[] {
    try {
      const { blocks, links } = readBlocks(text);
      Object.assign(this.links, links);
      return blocks;
    } catch (error) {
      console.info("a part of the message is read as one paragraph:", error);
      return [{ type: "paragraph", raw: text, text }];
    }
  }

  /** Return the pieces of a block. Its last piece is kept back, unless the block `isComplete`. */
  #cut(block: Token, isComplete: boolean): Piece[] {
    const before = this.#head;
    const raw = block.raw.slice(before?.length ?? 0);
    if (before === null && raw.length <= MAX_BLOCK_CHARS) return isComplete ? [this.#take(raw, "", true)] : [];
    const head = before ?? headOf(block);
    const pieces: Piece[] = [];
    let start = 0;
    const take = (end: number): void => {
      pieces.push(this.#take(raw.slice(start, end), start > 0 ? head : (before ?? ""), false));
      start = end;
    };
    for (const end of listCuts(raw, block.type)) take(end);
    if (isComplete) take(raw.length);
    this.#head = isComplete || (start === 0 && before === null) ? null : head;
    return pieces;
  }

  #take(raw: string, head: string, isWhole: boolean): Piece {
    this.position += raw.length;
    return { source: head + raw, length: raw.length, isContinued: head !== "", isWhole };
  }
}

/** Return the lines that each piece of a table or of fenced code needs before it. */
function headOf(block: Token): string {
  if (block.type === "table") return /^.*\n.*\n/.exec(block.raw)?.[0] ?? "";
  const isFenced = block.type === "code" && block["codeBlockStyle"] !== "indented";
  return isFenced ? (/^.*\n/.exec(block.raw)?.[0] ?? "") : "";
}

/** Yield the ends of the pieces of `raw` but the last. `type` is the type of its block. */
function* listCuts(raw: string, type: string): Generator<number> {
  for (let start = 0, end; ; start = end) {
    end = findCut(raw, start + PIECE_CHARS - LOOK_AHEAD_CHARS, type);
    if (end === null || end >= raw.length) return;
    yield end;
  }
}

/** Characters in which the end of a line or a word is looked for. A line that is longer is cut anywhere. */
const LOOK_AHEAD_CHARS = 1_000;
const ITEM = /\n(?=(?:[-*+]|\d{1,9}[.)])[ \t])/g;
/** The end of a line that is not empty, since Markdown may drop empty lines at the end of a piece. */
const LINE = /[^\n]\n/;

/** Return the first place to cut after `from`; null if more text may bring it. */
function findCut(raw: string, from: number, type: string): number | null {
  if (raw.length <= from + LOOK_AHEAD_CHARS) return null;
  if (type === "list") ITEM.lastIndex = from;
  if (type === "list" || type === "table") {
    const index = type === "list" ? (ITEM.exec(raw)?.index ?? -1) : raw.indexOf("\n", from);
    return index < 0 ? null : index + 1;
  }
  const next = raw.slice(from, from + LOOK_AHEAD_CHARS);
  const line = next.search(LINE);
  const word = line < 0 && type !== "code" ? next.lastIndexOf(" ") : -1;
  return from + (line >= 0 ? line + 2 : word >= 0 ? word + 1 : LOOK_AHEAD_CHARS);
}
