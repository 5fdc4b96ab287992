// Shows a model's Markdown, which grows while it streams.
//
// Safety. The text may be hostile. HTML in it is shown as text and never parsed. The parser's output goes through a
// sanitiser with a short list of tags and attributes. Links lead to the web or a mail program, and open in a new tab.
// A picture becomes a link, so that showing a message asks no other host for anything.
//
// Speed. All blocks but the last are complete: more text does not change them, so they are drawn once and then left
// alone. Only the tail is drawn again with each piece of text. That guess can be wrong, for example when a line under
// a paragraph makes it a heading. So when the text is complete, its blocks are compared with those on the page, and
// everything is drawn again if they differ.

import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token } from "marked";
import { highlight } from "./highlight.ts";

const ALLOWED_TAGS = "a blockquote br code del em h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul";
const MARKDOWN_RULES = {
  ALLOWED_TAGS: ALLOWED_TAGS.split(" "),
  ALLOWED_ATTR: ["href", "title", "start", "align", "data-language", "data-picture"],
  ADD_URI_SAFE_ATTR: ["start", "align", "data-language"], // they hold no address, so ALLOWED_URI_REGEXP does not apply
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config;
const CODE_RULES = {
  ALLOWED_TAGS: ["span"],
  ALLOWED_ATTR: ["class"],
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config;

const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
const languageOf = (lang: string | undefined): string => lang?.match(/^[\w+#-]+/)?.[0] ?? "";

const marked = new Marked({
  gfm: true,
  renderer: {
    html(token) {
      const text = escapeHtml(token.text);
      return token.type === "html" && token.block ? `<p>${text}</p>` : text;
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    code: ({ text, lang }) =>
      `<pre data-language="${escapeHtml(languageOf(lang))}"><code>${escapeHtml(text)}\n</code></pre>`,
    heading({ tokens, depth }) {
      const tag = `h${Math.min(depth + 2, 6)}`; // below the page's own headings
      return `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`;
    },
    image: ({ href, text }) => `<a href="${escapeHtml(href)}" data-picture="">${escapeHtml(text || "picture")}</a>`,
  },
});

/** An element that shows Markdown which grows at its end. */
export class GrowingMarkdown {
  readonly #element: HTMLElement;
  #text = "";
  /** The source of each block that is drawn for good. */
  #finalBlocks: string[] = [];
  /** The nodes after the final blocks, which are drawn again each time. */
  #tail: ChildNode[] = [];

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  /** Show `text`. While `isLive` more is expected, and a code block that is still open is not highlighted. */
  show(text: string, isLive: boolean): void {
    text = text.replace(/\r\n?|[\u2028\u2029]/g, "\n");
    if (!text.startsWith(this.#text) || (!isLive && !this.#hasBlocksOf(text))) this.#clear();
    this.#text = text;
    this.#tail.forEach((node) => node.remove());
    if (isLive) this.#drawFinalBlocks();
    const tokens = marked.lexer(this.#tailText());
    const tail = render(tokens, tokens.links, !isLive);
    this.#tail = isLive ? [...tail.childNodes] : [];
    this.#element.append(tail);
  }

  /** Draw the blocks that are complete by now. Half a line, a lone `2` or `*`, may look like the start of a block. */
  #drawFinalBlocks(): void {
    const tailText = this.#tailText();
    const tokens = marked.lexer(tailText.slice(0, tailText.lastIndexOf("\n") + 1)); // so only whole lines count
    const lastBlock = tokens.findLastIndex((token) => token.type !== "space");
    const final = tokens.slice(0, Math.max(lastBlock, 0));
    this.#finalBlocks.push(...final.map((token) => token.raw));
    this.#element.append(render(final, tokens.links, true));
  }

  #tailText(): string {
    return this.#text.slice(this.#finalBlocks.join("").length);
  }

  /** True if the blocks on the page are blocks of the complete `text`, too. */
  #hasBlocksOf(text: string): boolean {
    if (hasLinkDefinitions(text)) return false;
    const tokens = marked.lexer(text);
    return this.#finalBlocks.every((raw, index) => raw === tokens[index]?.raw);
  }

  #clear(): void {
    this.#finalBlocks = [];
    this.#tail = [];
    this.#element.replaceChildren();
  }
}

/** True if the text may define a link (`[name]: address`), possibly far from the block that uses it. */
const hasLinkDefinitions = (text: string): boolean => /^ {0,3}\[[^\]]+\]:/m.test(text);

/** Return the tokens as safe nodes. `links` are the link definitions; code is highlighted only when `isComplete`. */
function render(tokens: Token[], links: unknown, isComplete: boolean): DocumentFragment {
  const html = marked.parser(Object.assign(tokens, { links }));
  const fragment: DocumentFragment = DOMPurify.sanitize(html, MARKDOWN_RULES);
  fragment.querySelectorAll("a").forEach(secureLink);
  fragment.querySelectorAll("pre").forEach((pre) => decorateCode(pre, isComplete));
  fragment.querySelectorAll("table").forEach((table) => wrapInScrollBox(table, "Table"));
  for (const block of fragment.children) block.setAttribute("dir", block.matches("figure") ? "ltr" : "auto");
  return fragment;
}

/** Open the link in a new tab that learns nothing of this page. A link whose address was removed becomes text. */
function secureLink(link: HTMLAnchorElement): void {
  if (!link.hasAttribute("href")) return link.replaceWith(...link.childNodes);
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.title ||= link.href;
  if (link.hasAttribute("data-picture")) link.prepend(`Picture on ${link.hostname}: `);
}

/** Make a figure of a code block: its language, a copy button, and the code in a box that scrolls. */
function decorateCode(pre: HTMLPreElement, isComplete: boolean): void {
  const language = pre.dataset["language"] ?? "";
  const code = pre.firstElementChild;
  const html = isComplete && code ? highlight(code.textContent, language) : null;
  if (html !== null) code!.replaceChildren(DOMPurify.sanitize(html, CODE_RULES));
  const box = wrapInScrollBox(pre, language ? `Code, ${language}` : "Code");
  box.className = "code";
  const copyButton = document.createElement("button");
  Object.assign(copyButton, { type: "button", className: "quiet copy-code", textContent: "Copy" });
  const header = document.createElement("div");
  header.append(language || "text", copyButton);
  const figure = document.createElement("figure");
  box.before(figure);
  figure.append(header, box);
}

/** Put the element into a box that scrolls sideways, also with the keyboard. Returns the box. */
function wrapInScrollBox(element: HTMLElement, label: string): HTMLElement {
  const box = document.createElement("div");
  Object.assign(box, { tabIndex: 0, role: "region", ariaLabel: label, className: "wide" });
  element.replaceWith(box);
  box.append(element);
  return box;
}
