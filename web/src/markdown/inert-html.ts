// The HTML that models write among Markdown and that does nothing: `br`, `sub`, `sup`, `kbd` and `details`, without
// attributes. All other HTML is shown as text.

import type { Token, TokenizerAndRendererExtension } from "marked";
import { escapeHtml } from "./text.ts";
import { words } from "../words.ts";

const INLINE_TAG = /^<(?:br\s*\/?|\/?(?:sub|sup|kbd))>$/i;
const INLINE_START = /^ {0,3}<\/?(?:br|sub|sup|kbd)\b/i;
/** Folds in folds in more of them are shown as text. */
const MAX_FOLDS = 10;
const DETAILS = /^ {0,3}<details(\s+open)?\s*>\s*(?:<summary>([^]*?)<\/summary>)?/i;

/** Return HTML for an HTML token of the Markdown. */
export const renderTag = (text: string, isBlock: boolean): string =>
  isBlock ? `<p>${escapeHtml(text)}</p>` : INLINE_TAG.test(text) ? text.toLowerCase() : escapeHtml(text);

/** True if `src` begins with a tag that may stand in a paragraph. */
export const startsInline = (src: string): boolean => INLINE_START.test(src);

/** Return the index behind the `</details>` that closes the first one, and of that tag; the end if there is none. */
function findEnd(src: string): { readonly inner: number; readonly outer: number } {
  let depth = 0;
  for (const { 0: tag, 1: slash, index } of src.matchAll(/<(\/?)details\b[^>]*>/gi)) {
    depth += slash ? -1 : 1;
    if (depth === 0) return { inner: index, outer: index + tag.length };
  }
  return { inner: src.length, outer: src.length };
}

/** Number of folds around what is being read. */
let folds = 0;

/** A fold with Markdown in it. While it is not closed, the rest of the text is in it, and it is open. */
export const details: TokenizerAndRendererExtension = {
  name: "details",
  level: "block",
  childTokens: ["summary", "tokens"],
  tokenizer(src) {
    const head = DETAILS.exec(src);
    if (!head || folds >= MAX_FOLDS) return undefined;
    const { inner, outer } = findEnd(src);
    const raw = src.slice(0, outer) + (/^\s*?\n+/.exec(src.slice(outer))?.[0] ?? "");
    const summary: Token[] = [];
    this.lexer.inline(head[2]?.trim() || words.prose.details, summary);
    folds += 1;
    const tokens: Token[] = [];
    try {
      this.lexer.blockTokens(src.slice(head[0].length, inner).replace(/^\s*\n/, ""), tokens);
    } finally {
      folds -= 1;
    }
    return { type: "details", raw, isOpen: Boolean(head[1]) || inner === outer, summary, tokens };
  },
  renderer(token) {
    const summary = this.parser.parseInline(token["summary"] as Token[]);
    const content = this.parser.parse(token.tokens ?? []);
    return `<details${token["isOpen"] ? " open" : ""}><summary>${summary}</summary>${content}</details>`;
  },
};
