// The quotations of a reply, as the service has checked them.

import type { ToolCallPart } from "../../clients/typescript/src/schema.ts";

export interface Quote {
  readonly text: string;
  readonly file: string | null;
  readonly page: number | null;
  /** Null: it cannot be known, or is not checked so far. */
  readonly found: boolean | null;
}

/** Return the quotations of a call: of its output if it has ended, else of its arguments. */
export function listQuotes(call: Pick<ToolCallPart, "arguments" | "output">): readonly Quote[] {
  const { quotes } = ((call.output ?? call.arguments ?? {}) as { quotes?: unknown });
  return Array.isArray(quotes) ? quotes.flatMap(toQuote) : [];
}

function toQuote(value: unknown): readonly Quote[] {
  const { text, file, page, found, found_page } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof text !== "string") return [];
  const place = typeof found_page === "number" ? found_page : page;
  return [
    {
      text,
      file: typeof file === "string" && file !== "" ? file : null,
      page: typeof place === "number" ? place : null,
      found: typeof found === "boolean" ? found : null,
    },
  ];
}
