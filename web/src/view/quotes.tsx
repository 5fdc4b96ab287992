import type { Quote } from "../quotes.ts";
import { words } from "../words.ts";

/** The quotations of a reply: where each stands, or that it was not found in the document. */
export const Quotes = ({ quotes }: { quotes: readonly Quote[] }) => (
  <>
    {quotes.map((quote, index) => (
      <figure class={`quote${quote.found === false ? " not-found" : ""}`} key={index}>
        <blockquote dir="auto">{quote.text}</blockquote>
        <figcaption class="soft" dir="auto">
          {[quote.file, quote.page === null ? null : words.cards.page(quote.page), markOf(quote)].filter(Boolean).join(" · ")}
        </figcaption>
      </figure>
    ))}
  </>
);

const markOf = ({ found }: Quote): string =>
  found === true ? words.cards.quoteFound : found === false ? words.cards.quoteNotFound : words.cards.quoteNotChecked;
