// Formulas in Markdown: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`. They are kept as they were written; `draw-formulas.ts`
// draws them.
//
// A dollar is a sign of money more often than not. So, as in Pandoc, `$` opens a formula only before a character that is
// no space and behind one that is no letter or digit, and closes one only behind a character that is no space and before
// one that is no letter or digit. Neither is a number followed by a word (`$5 each, or 9 for 40$`) a formula.

import type { TokenizerAndRendererExtension } from "marked";
import { escapeHtml, findLine } from "./text.ts";

const MAX_INLINE_CHARS = 5_000;
const IN_BRACKETS = new RegExp(`^(?:\\\\\\(([^]{1,${MAX_INLINE_CHARS}}?)\\\\\\)|\\\\\\[([^]{1,${MAX_INLINE_CHARS}}?)\\\\\\])`);
const IN_DOUBLE_DOLLARS = /^\$\$((?:\\[^]|[^$\\])+)\$\$(?!\$)/;
const IN_DOLLARS = /^\$(?![\s$])((?:\\.|[^$\\\n])+)\$(?![\p{L}\p{N}$])/u;
const MONEY = /^[\d.,]+(?:[kKmM]|bn)?(?:\s+\p{L}{2}|[\s\p{P}]*$)/u;
/** A formula in lines of its own. TeX allows no blank line in it. One that is not closed yet is shown as it is. */
const BLOCK = /^ {0,3}(?:\$\$((?:(?!\n[ \t]*\n|\$\$)[^])*)\$\$|\\\[((?:(?!\n[ \t]*\n|\\\])[^])*)\\\])[ \t]*(?:\n+|$)/;
const OPEN_BLOCK = /^ {0,3}(?:\$\$|\\\[)[ \t]*\n(?:(?!\n[ \t]*\n)[^])*(?:\n+|$)/;

interface Formula {
  readonly raw: string;
  readonly isBlock: boolean;
}

function findInline(src: string, before: string): Formula | undefined {
  const bracketed = IN_BRACKETS.exec(src) ?? IN_DOUBLE_DOLLARS.exec(src);
  if (bracketed) {
    return { raw: bracketed[0], isBlock: !bracketed[0].startsWith("\\(") };
  }
  const match = IN_DOLLARS.exec(src);
  if (!match || /[\p{L}\p{N}$]$/u.test(before)) return undefined;
  const tex = match[1]!;
  return /\s$/.test(tex) || MONEY.test(tex) ? undefined : { raw: match[0], isBlock: false };
}

const toHtml = (source: string, isBlock: boolean): string =>
  `<span data-formula="${isBlock ? "block" : "inline"}">${escapeHtml(source)}</span>`;

/** Characters in which a `$` is looked for at a time, so that a long paragraph costs no more than its length. */
const LOOK_AHEAD_CHARS = 4_000;

export const inlineFormula: TokenizerAndRendererExtension = {
  name: "inlineFormula",
  level: "inline",
  start(src) {
    const index = src.slice(0, LOOK_AHEAD_CHARS).search(/\$|\\[([]/);
    return index < 0 && src.length > LOOK_AHEAD_CHARS ? LOOK_AHEAD_CHARS : index;
  },
  tokenizer(src, tokens) {
    if (src[0] !== "$" && src[0] !== "\\") return undefined;
    const before = (tokens as { raw: string }[]).at(-1)?.raw.slice(-2) ?? "";
    const formula = findInline(src, before);
    return formula && { type: "inlineFormula", ...formula };
  },
  renderer: ({ raw, isBlock }) => toHtml(raw, isBlock as boolean),
};

export const blockFormula: TokenizerAndRendererExtension = {
  name: "blockFormula",
  level: "block",
  start: (src) => findLine(src, /\n {0,3}(?:\$\$|\\\[)/),
  tokenizer(src) {
    const raw = (BLOCK.exec(src) ?? OPEN_BLOCK.exec(src))?.[0];
    return raw === undefined ? undefined : { type: "blockFormula", raw };
  },
  renderer: ({ raw }) => `<p>${toHtml(raw.trim(), true)}</p>`,
};

/** Return the TeX in the source of a formula, without the marks around it; null when it is not closed. */
export function texOf(source: string): string | null {
  const match = /^(?:\$\$([^]*)\$\$|\$([^]*)\$|\\\(([^]*)\\\)|\\\[([^]*)\\\])$/.exec(source);
  return match && (match[1] ?? match[2] ?? match[3] ?? match[4] ?? null);
}

/** Return `masked` with as many characters, in which no mark of emphasis stands in a formula. */
export const maskFormulas = (masked: string): string =>
  masked.replace(/\$[^$\n]+\$/g, (formula) => formula.replace(/[*_~]/g, "a"));
