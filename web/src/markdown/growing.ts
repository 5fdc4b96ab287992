// Shows a model's Markdown, which grows while it streams.
//
// Pieces that are complete (`pieces.ts`) are drawn once and then left alone. Only the tail behind them is drawn again with
// each piece of text. That guess can be wrong, for example when a line under a paragraph makes it a heading, or when a
// link is defined far below. So when the text is complete, its pieces are compared with those on the page, and everything
// is drawn again if they differ.
//
// Drawing stops after a while and goes on in a later task, so that the page stays alive however long the text is.

import { colourCode } from "./colour-code.ts";
import { drawFormulas } from "./draw-formulas.ts";
import { closeMarks, onMarksClosable } from "./close-marks.ts";
import { numberNotes } from "./number-notes.ts";
import { readBlocks } from "./parse.ts";
import { MAX_BLOCK_CHARS, type Piece, PIECE_CHARS, PieceReader } from "./pieces.ts";
import { render } from "./render.ts";

/** A task draws for about this long, and at least so many pieces: after each task the browser has work of its own. */
const MAX_TASK_MS = 40;
const MIN_TASK_PIECES = 3;
/** A longer text is not read once more when it is complete. It was read in large parts, as a reload does. */
const MAX_CHECK_CHARS = 200_000;
/** In a longer tail, marks are not closed in advance. */
const MAX_MEND_CHARS = 8_000;

/** An element that shows Markdown which grows at its end. */
export class GrowingMarkdown {
  readonly #element: HTMLElement;
  #reader = new PieceReader();
  #text = "";
  #isLive = true;
  /** The source of each piece that is drawn for good. */
  #drawn: string[] = [];
  /** Pieces to be drawn. */
  #queue: Piece[] = [];
  /** The nodes after those pieces, which are drawn again each time. */
  #tail: ChildNode[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  readonly #stopWaiting = onMarksClosable(() => (this.#isLive ? this.#draw() : undefined));

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  /** Show `text`. While `isLive` more is expected. A long text is not there at once, but piece by piece. */
  show(text: string, isLive: boolean): void {
    text = text.replace(/\r\n?|[\u2028\u2029]/g, "\n");
    if (!text.startsWith(this.#text) || (!isLive && !this.#hasPiecesOf(text))) this.#clear();
    this.#text = text;
    this.#isLive = isLive;
    if (!isLive && hasLinkDefinitions(text)) Object.assign(this.#reader.links, readBlocks(text).links);
    this.#draw();
  }

  /** Draw nothing more. */
  close(): void {
    this.#stopWaiting();
    clearTimeout(this.#timer);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    const end = performance.now() + MAX_TASK_MS;
    this.#tail.splice(0).forEach((node) => node.remove());
    for (let count = 1; this.#fillQueue(); count++) {
      this.#drawPieces();
      if (count >= MIN_TASK_PIECES && performance.now() > end) return void (this.#timer = setTimeout(() => this.#draw()));
    }
    this.#drawTail();
    if (this.#text.includes("[^")) numberNotes(this.#element, this.#isLive);
  }

  /** Return true if there is a piece to draw. A short text that is complete is drawn at once, as the tail. */
  #fillQueue(): boolean {
    const isShort = !this.#isLive && this.#drawn.length === 0 && this.#text.length <= MAX_BLOCK_CHARS;
    if (this.#queue.length === 0 && !isShort) this.#queue.push(...this.#reader.read(this.#text));
    return this.#queue.length > 0;
  }

  /** Draw the next piece, and those behind it that are whole blocks and small. */
  #drawPieces(): void {
    const pieces = this.#queue.splice(0, 1);
    let length = pieces[0]!.source.length;
    while (pieces[0]!.isWhole && this.#queue[0]?.isWhole && length < PIECE_CHARS) {
      length += this.#queue[0].source.length;
      pieces.push(this.#queue.shift()!);
    }
    const nodes = this.#append(pieces.map(({ source }) => source).join(""), pieces[0]!.isContinued);
    if (pieces[0]!.isWhole) colourCode(nodes);
    this.#drawn.push(...pieces.map(({ source }) => source));
  }

  #drawTail(): void {
    const { source, isContinued } = this.#reader.readRest(this.#text);
    const isMended = this.#isLive && source.length <= MAX_MEND_CHARS;
    const nodes = this.#append(isMended ? closeMarks(source) : source, isContinued);
    this.#tail = nodes; // also of a complete text: another model may go on with it
    if (!this.#isLive && !isContinued) colourCode(nodes);
  }

  /**
   * Draw Markdown at the end, and return the new nodes. If it `isContinued`, it begins with rows or lines that belong
   * to the table or the code there.
   */
  #append(source: string, isContinued: boolean): ChildNode[] {
    const fragment = render(source, this.#reader.links);
    drawFormulas(fragment);
    const open = isContinued ? this.#element.lastElementChild?.querySelector("tbody, pre") : null;
    const more = open ? fragment.firstElementChild?.querySelector(open.tagName) : null;
    const rows = more && more.textContent !== "\n" ? [...more.childNodes] : [];
    if (more) fragment.firstElementChild!.remove();
    if (open?.matches("pre") && !this.#drawn.at(-1)!.endsWith("\n")) joinLine(open.lastElementChild!);
    open?.append(...rows);
    const blocks = [...fragment.childNodes];
    this.#element.append(fragment);
    return [...rows, ...blocks];
  }

  /** True if the pieces on the page are pieces of the complete `text`, too. */
  #hasPiecesOf(text: string): boolean {
    if (this.#drawn.length === 0 || text.length > MAX_CHECK_CHARS) return true;
    if (hasLinkDefinitions(text)) return false;
    const reader = new PieceReader();
    const sources: string[] = [];
    for (let pieces = reader.read(text); pieces.length > 0; pieces = reader.read(text))
      sources.push(...pieces.map(({ source }) => source));
    return this.#drawn.every((source, index) => source === sources[index]);
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#reader = new PieceReader();
    this.#drawn = [];
    this.#queue = [];
    this.#tail = [];
    this.#element.replaceChildren();
  }
}

/** Take the last line break from a part of code: the next part goes on in the same line. */
const joinLine = (code: Element): void => void (code.textContent = code.textContent.replace(/\n$/, ""));

/** True if the text may define a link (`[name]: address`), possibly far from the block that uses it. */
const hasLinkDefinitions = (text: string): boolean => /^ {0,3}\[(?!\^)[^\]]+\]:/m.test(text);
