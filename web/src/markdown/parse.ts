// Markdown as tokens and as HTML: GitHub's, with formulas, footnotes, some inert HTML, and marks beside CJK text. Nothing
// here knows a page, and nothing in its HTML may be trusted: `render.ts` cleans it.

import { Lexer, Marked, type Token, type TokenizerAndRendererExtension } from "marked";
import { emStrong, maskPunctuation, url } from "./cjk.ts";
import { footnote, footnoteReference } from "./footnotes.ts";
import { blockFormula, inlineFormula, maskFormulas } from "./formulas.ts";
import { details, renderTag, startsInline } from "./inert-html.ts";
import { escapeHtml } from "./text.ts";
import { words } from "../words.ts";

export type Links = Lexer["tokens"]["links"];

const languageOf = (lang: string | undefined): string => lang?.match(/^[\w+#-]+/)?.[0] ?? "";

/** Text deeper in quotes and lists than this is shown as it is: the parser calls itself for each level. */
const MAX_DEPTH = 40;
const TOO_DEEP = new RegExp(`^(?:[ \\t]*(?:>|(?:[-*+]|\\d{1,9}[.)])[ \\t])){${MAX_DEPTH}}(?:(?!\\n[ \\t]*\\n)[^])*(?:\\n+|$)`);

const tooDeep: TokenizerAndRendererExtension = {
  name: "tooDeep",
  level: "block",
  tokenizer(src) {
    const raw = TOO_DEEP.exec(src)?.[0];
    return raw === undefined ? undefined : { type: "tooDeep", raw };
  },
  renderer: ({ raw }) => `<p>${escapeHtml(raw)}</p>`,
};

const marked = new Marked({
  gfm: true,
  extensions: [tooDeep, details, footnote, blockFormula, footnoteReference, inlineFormula],
  hooks: { emStrongMask: (masked) => maskFormulas(maskPunctuation(masked)) },
  tokenizer: {
    emStrong,
    url,
    del: (src) => (src.startsWith("~~") ? false : undefined), // `5~6 and 7~8` strikes nothing through
    html: (src) => (startsInline(src) ? undefined : false),
  },
  renderer: {
    html: (token) => renderTag(token.text, token.type === "html" && token.block === true),
    text(token) {
      if ("tokens" in token && token.tokens) return this.parser.parseInline(token.tokens);
      return token.text.replace(/&(?!(?:#\d{1,7}|#x[a-f\d]{1,6}|\w+);)/gi, "&amp;").replace(/[<>"']/g, escapeHtml);
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    code: ({ text, lang }) =>
      `<pre data-language="${escapeHtml(languageOf(lang))}"><code>${escapeHtml(text)}\n</code></pre>`,
    heading({ tokens, depth }) {
      const tag = `h${Math.min(depth + 2, 6)}`; // below the page's own headings
      return `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`;
    },
    image: ({ href, text }) => `<a href="${escapeHtml(href)}" data-picture="">${escapeHtml(text || words.prose.picture)}</a>`,
  },
});

/** Return the blocks of `text`, without looking into their lines, and the definitions of links among them. */
export function readBlocks(text: string): { readonly blocks: readonly Token[]; readonly links: Links } {
  const lexer = new Lexer(marked.defaults);
  lexer.blockTokens(text, lexer.tokens);
  return { blocks: lexer.tokens, links: lexer.tokens.links };
}

/** Return `text` as HTML. `links` are definitions that stand elsewhere in the message. */
export function toHtml(text: string, links: Links): string {
  const lexer = new Lexer(marked.defaults);
  Object.assign(lexer.tokens.links, links);
  return marked.parser(lexer.lex(text));
}
