// Gives blocks of code their colours, once they are complete. Code in an unknown language stays plain, and so does long
// code: reading it would hold up the page.

import DOMPurify, { type Config } from "dompurify";
import { MAX_BLOCK_CHARS } from "./pieces.ts";

const COLOUR_RULES = {
  ALLOWED_TAGS: ["span"],
  ALLOWED_ATTR: ["class"],
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config;

/** Colour the blocks of code in `nodes`: at once if their language is there, otherwise as soon as it is. */
export function colourCode(nodes: readonly Node[]): void {
  const elements = nodes.filter((node) => node instanceof Element);
  for (const pre of elements.flatMap((element) => [...element.querySelectorAll<HTMLElement>("pre[data-language]")])) {
    const { language } = pre.dataset;
    const isShort = pre.textContent.length <= MAX_BLOCK_CHARS;
    if (language && isShort && pre.childElementCount === 1)
      void colour(pre.firstElementChild!, language).catch((error: unknown) =>
        console.info("code is shown without colours:", error),
      );
  }
}

async function colour(code: Element, language: string): Promise<void> {
  const { highlight, loadLanguage } = await import("./highlight.ts");
  if (!(await loadLanguage(language))) return;
  code.replaceChildren(DOMPurify.sanitize(highlight(code.textContent, language), COLOUR_RULES));
}
