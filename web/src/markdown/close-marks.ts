// Closes marks that are half-written at the end of a growing text. The library comes with the first answer that is seen
// in the making: one that is complete has no use for it.

import { Cell } from "../cell.ts";

const OPTIONS = { linkMode: "text-only", katex: false, comparisonOperators: false, singleTilde: false } as const;

/** Closes the marks of a text; null until it is there. */
const closing = new Cell<((text: string) => string) | null>(null);
let isAsked = false;

/** Return `text` with its marks closed; as it is, until the library is there. */
export function closeMarks(text: string): string {
  if (!isAsked) load();
  return closing.value?.(text) ?? text;
}

/** Call `draw` when what `closeMarks` returns has changed, which happens once. Returns a function that stops this. */
export const onMarksClosable = (draw: () => void): (() => void) => closing.watch(draw);

function load(): void {
  isAsked = true;
  const use = ({ default: remend }: typeof import("remend")): void => {
    closing.value = (text) => remend(text, OPTIONS);
  };
  import("remend").then(use, (error: unknown) => console.info("half-written marks are shown as they are:", error));
}
