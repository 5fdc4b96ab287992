// A block of code: a figure with its language, buttons, and the code in a box that scrolls.

import { words } from "../words.ts";

/** Make a figure of a code block. `colour-code.ts` gives it colours, `buttons.ts` listens to its buttons. */
export function decorateCode(pre: HTMLPreElement): void {
  const language = pre.dataset["language"] ?? "";
  const box = wrapInScrollBox(pre, words.prose.code(language));
  box.className = "code";
  const header = document.createElement("div");
  header.append(language || "text");
  if (language === "mermaid") header.append(createButton("draw", words.prose.draw));
  header.append(createButton("wrap", words.prose.wrap), createButton("download", words.prose.download));
  header.append(createButton("copy", words.copy));
  const figure = document.createElement("figure");
  box.before(figure);
  figure.append(header, box);
}

function createButton(action: string, label: string): HTMLButtonElement {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "quiet", textContent: label });
  button.dataset["action"] = action;
  return button;
}

/** Put the element into a box that scrolls sideways, also with the keyboard. Returns the box. */
export function wrapInScrollBox(element: HTMLElement, label: string): HTMLElement {
  const box = document.createElement("div");
  Object.assign(box, { tabIndex: 0, role: "region", ariaLabel: label, className: "wide" });
  element.replaceWith(box);
  box.append(element);
  return box;
}
