// Numbers footnotes in the order in which they are mentioned, and makes buttons that lead there and back. A mention
// without a note is shown as it was written.

import { words } from "../words.ts";

/** Number the notes in a message. While it `isLive`, the note of a mention may still come. */
export function numberNotes(message: Element, isLive: boolean): void {
  const notes = new Map([...message.querySelectorAll<HTMLElement>("div[data-note]")].map((note) => [nameOf(note), note]));
  const numbers = new Map<string, number>();
  for (const mention of message.querySelectorAll<HTMLElement>("sup[data-note]")) {
    const name = nameOf(mention);
    if (!isLive && !notes.has(name)) {
      mention.replaceWith(`[^${name}]`);
      continue;
    }
    if (!numbers.has(name)) numbers.set(name, numbers.size + 1);
    showButton(mention, "note", String(numbers.get(name)), words.prose.note(numbers.get(name)!));
  }
  for (const [name, note] of notes) {
    const number = numbers.get(name);
    Object.assign(note, { role: "note", tabIndex: -1, ariaLabel: labelOf(number) });
    showButton(note, "mention", number ? String(number) : "–", number ? words.prose.backToNote(number) : labelOf(number));
  }
}

const labelOf = (number: number | undefined): string =>
  number ? words.prose.note(number) : words.prose.unmentionedNote;

const nameOf = (element: HTMLElement): string => element.dataset["note"] ?? "";

/** Give `element` its button as its first child; of a mention, the only one. */
function showButton(element: HTMLElement, action: string, text: string, label: string): void {
  let button = element.querySelector<HTMLButtonElement>(":scope > button");
  if (button?.textContent === text) return;
  if (!button) {
    button = document.createElement("button");
    Object.assign(button, { type: "button", className: "quiet" });
    button.dataset["action"] = action;
    if (action === "note") element.replaceChildren(button);
    else element.prepend(button);
  }
  button.textContent = text;
  button.ariaLabel = label;
}

/** Lead from a mention to its note, or from a note to its first mention. */
export function followNote(button: HTMLElement): void {
  const from = button.closest<HTMLElement>("[data-note]");
  const selector = button.dataset["action"] === "note" ? "div[data-note]" : "sup[data-note]";
  const all = from?.closest(".prose")?.querySelectorAll<HTMLElement>(selector) ?? [];
  const to = [...all].find((each) => nameOf(each) === nameOf(from!));
  to?.scrollIntoView({ block: "center" });
  (to?.matches("sup") ? to.querySelector("button") : to)?.focus({ preventScroll: true });
}
