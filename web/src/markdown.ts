// Markdown of a model as nodes of the page. What a model says is hostile until proven otherwise:
// HTML in it is shown as text, never parsed; what the parser makes goes through a sanitiser with a short list of
// tags; links lead to the web or a mail program, in a tab of their own; pictures are links, loaded by nobody.

import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token } from "marked";
import { colour } from "./highlight.ts";

const TAGS = "a blockquote br code del em h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul";
const RULES = {
  ALLOWED_TAGS: TAGS.split(" "),
  ALLOWED_ATTR: ["href", "title", "start", "align", "data-language", "data-picture"],
  ADD_URI_SAFE_ATTR: ["start", "align", "data-language"], // no addresses: the rule for those does not concern them
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config;
const COLOURS = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], RETURN_DOM_FRAGMENT: true as const } satisfies Config;

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  renderer: {
    html: (token) => (token.type === "html" && token.block ? `<p>${escaped(token.text)}</p>` : escaped(token.text)),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    code: ({ text, lang }) =>
      `<pre data-language="${escaped(lang?.match(/^[\w+#-]+/)?.[0] ?? "")}"><code>${escaped(text)}\n</code></pre>`,
    heading({ tokens, depth }) {
      const tag = `h${Math.min(depth + 2, 6)}`; // below the page's own headings
      return `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`;
    },
    image: ({ href, text }) => `<a href="${escaped(href)}" data-picture="">${escaped(text || "picture")}</a>`,
  },
});

/** An element whose text grows at its end. Blocks that are complete are not touched again. */
export class Growing {
  readonly #element: HTMLElement;
  #text = "";
  /** The blocks that are complete, as they are written. */
  #settled: string[] = [];
  #tail: ChildNode[] = [];

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  /** Show `text`. `isLive`: more is expected, so code that is still open stays plain. */
  show(text: string, isLive: boolean): void {
    text = text.replace(/\r\n?|[\u2028\u2029]/g, "\n");
    if (!text.startsWith(this.#text) || (!isLive && !this.#isAsWhole(text))) this.#clear();
    this.#text = text;
    this.#tail.forEach((node) => node.remove());
    if (isLive) this.#settle();
    const tokens = marked.lexer(this.#rest());
    const tail = render(tokens, tokens.links, !isLive);
    this.#tail = isLive ? [...tail.childNodes] : [];
    this.#element.append(tail);
  }

  /** Only whole lines tell where a block ends: half of one, a lone `2` or `*`, looks like the start of another. */
  #settle(): void {
    const rest = this.#rest();
    const tokens = marked.lexer(rest.slice(0, rest.lastIndexOf("\n") + 1));
    const open = tokens.findLastIndex((token) => token.type !== "space");
    const settled = tokens.slice(0, Math.max(open, 0));
    this.#settled.push(...settled.map((token) => token.raw));
    this.#element.append(render(settled, tokens.links, true));
  }

  #rest(): string {
    return this.#text.slice(this.#settled.join("").length);
  }

  /** Whether the complete `text` has the blocks that were settled: a line under a paragraph can still change it. */
  #isAsWhole(text: string): boolean {
    if (hasDefinitions(text)) return false;
    const tokens = marked.lexer(text);
    return this.#settled.every((raw, index) => raw === tokens[index]?.raw);
  }

  #clear(): void {
    this.#settled = [];
    this.#tail = [];
    this.#element.replaceChildren();
  }
}

/** Whether a link may be defined far from where it is used: `[name]: address`. */
const hasDefinitions = (text: string): boolean => /^ {0,3}\[[^\]]+\]:/m.test(text);

function render(tokens: Token[], links: unknown, isComplete: boolean): DocumentFragment {
  const html = marked.parser(Object.assign(tokens, { links }));
  const fragment: DocumentFragment = DOMPurify.sanitize(html, RULES);
  fragment.querySelectorAll("a").forEach(tame);
  fragment.querySelectorAll("pre").forEach((pre) => frame(pre, isComplete));
  fragment.querySelectorAll("table").forEach((table) => wrap(table, "Table"));
  for (const block of fragment.children) block.setAttribute("dir", block.matches("figure") ? "ltr" : "auto");
  return fragment;
}

function tame(link: HTMLAnchorElement): void {
  if (!link.hasAttribute("href")) return link.replaceWith(...link.childNodes);
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.title ||= link.href;
  if (link.hasAttribute("data-picture")) link.prepend(`Picture on ${link.hostname}: `);
}

function frame(pre: HTMLPreElement, isComplete: boolean): void {
  const language = pre.dataset["language"] ?? "";
  const code = pre.firstElementChild;
  const html = isComplete && code ? colour(code.textContent, language) : null;
  if (html !== null) code!.replaceChildren(DOMPurify.sanitize(html, COLOURS));
  const box = wrap(pre, language ? `Code, ${language}` : "Code");
  box.className = "code";
  const copy = document.createElement("button");
  Object.assign(copy, { type: "button", className: "quiet copy-code", textContent: "Copy" });
  const head = document.createElement("div");
  head.append(language || "text", copy);
  box.before(head);
  const whole = document.createElement("figure");
  box.before(whole);
  whole.append(head, box);
}

/** A box that scrolls by itself, with the keyboard too. */
function wrap(element: HTMLElement, label: string): HTMLElement {
  const box = document.createElement("div");
  Object.assign(box, { tabIndex: 0, role: "region", ariaLabel: label, className: "wide" });
  element.replaceWith(box);
  box.append(element);
  return box;
}
