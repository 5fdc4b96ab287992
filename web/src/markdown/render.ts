// Makes safe nodes of Markdown.
//
// The text may be hostile. HTML in it is shown as text, except some tags without attributes. The parser's output goes
// through a sanitiser with a short list of tags and attributes. Links lead to the web or a mail program, and open in a
// new tab. A picture becomes a link, so that showing a message asks no other host for anything.

import DOMPurify, { type Config } from "dompurify";
import { decorateCode, wrapInScrollBox } from "./code-block.ts";
import { type Links, toHtml } from "./parse.ts";
import { words } from "../words.ts";

const ALLOWED_TAGS =
  "a blockquote br code del details div em h3 h4 h5 h6 hr kbd li ol p pre span strong sub summary sup table tbody td th thead tr ul";
const MARKDOWN_RULES = {
  ALLOWED_TAGS: ALLOWED_TAGS.split(" "),
  ALLOWED_ATTR: ["href", "title", "start", "align", "open", "data-language", "data-picture", "data-formula", "data-note"],
  ADD_URI_SAFE_ATTR: ["start", "align", "data-language", "data-formula", "data-note"], // ALLOWED_URI_REGEXP is not for them
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:\/\/|mailto:)/i,
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config;

/** A run of letters without a space, longer than any word: laying it out with kerning takes quadratic time. */
const ENDLESS_WORD = /\S{300}/;
/** Marks that turn the direction of the text behind them, and so could make it say something else. */
const OVERRIDES = /[\u202d\u202e]/;

/** Return Markdown as nodes. `links` are definitions that stand elsewhere in the message. Never fails. */
export function render(source: string, links: Links): DocumentFragment {
  try {
    return renderMarkdown(source, links);
  } catch (error) {
    console.info("a part of the message is shown without its marks:", error);
    return asPlainText(source);
  }
}

function renderMarkdown(source: string, links: Links): DocumentFragment {
  const fragment: DocumentFragment = DOMPurify.sanitize(toHtml(source, links), MARKDOWN_RULES);
  fragment.querySelectorAll("a").forEach(secureLink);
  fragment.querySelectorAll("pre").forEach(decorateCode);
  fragment.querySelectorAll("table").forEach((table) => wrapInScrollBox(table, words.prose.table));
  if (OVERRIDES.test(source)) showOverrides(fragment);
  for (const block of fragment.children) {
    block.setAttribute("dir", block.matches("figure") ? "ltr" : "auto");
    if (ENDLESS_WORD.test(block.textContent)) block.classList.add("endless");
  }
  return fragment;
}

/** Return the text itself, for Markdown that cannot be read. */
function asPlainText(source: string): DocumentFragment {
  const paragraph = document.createElement("p");
  paragraph.className = "plain endless";
  paragraph.dir = "auto";
  paragraph.textContent = source;
  const fragment = document.createDocumentFragment();
  fragment.append(paragraph);
  return fragment;
}

/** Open the link in a new tab that learns nothing of this page. A link whose address was removed becomes text. */
function secureLink(link: HTMLAnchorElement): void {
  if (!link.hasAttribute("href")) return link.replaceWith(...link.childNodes);
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
  link.title ||= link.href;
  if (link.hasAttribute("data-picture")) link.prepend(words.prose.pictureOn(link.hostname));
}

/** Replace the marks that turn text around by their names. */
function showOverrides(fragment: DocumentFragment): void {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { nodeValue } = walker.currentNode;
    walker.currentNode.nodeValue = nodeValue!.replace(/[\u202d\u202e]/g, (mark) => `[U+${hex(mark)}]`);
  }
}

const hex = (mark: string): string => mark.charCodeAt(0).toString(16).toUpperCase();
