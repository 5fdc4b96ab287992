// Joins the texts of an answer that several models gave, one after the other.
//
// Where a model stopped in mid-answer, a `handover` part stands between its text and the rest (`docs/http-api.md`,
// "Handover"). A word may be cut there, so the two texts are shown and copied as one: at the place of the first.

import type { Part } from "../../clients/typescript/src/events.ts";

/** A part to be shown, with its index in the message. */
export interface ShownPart {
  readonly index: number;
  readonly part: Part;
  /** True if the message's last part is in it, so that it may still grow. */
  readonly isLast: boolean;
}

/** Return the parts to be shown of an answer: all of them, the texts on both sides of a handover as one. */
export function joinSeams(parts: readonly Part[]): ShownPart[] {
  const shown: { index: number; part: Part; isLast: boolean }[] = [];
  let text: (typeof shown)[number] | null = null; // the last one of this step
  let goesOn = false;
  parts.forEach((part, index) => {
    const isLast = index === parts.length - 1;
    if (goesOn && text !== null && hasText(part) && hasText(text.part)) {
      text.part = { ...text.part, text: text.part.text + part.text };
      text.isLast = isLast;
      goesOn = false;
      return;
    }
    shown.push({ index, part, isLast });
    if (part.type === "step") text = null;
    if (hasText(part)) text = shown.at(-1)!;
    goesOn = part.type === "handover" || (goesOn && !hasText(part) && part.type !== "step");
  });
  return shown;
}

type TextLike = Extract<Part, { type: "text" | "refusal" }>;
const hasText = (part: Part): part is TextLike => part.type === "text" || part.type === "refusal";
