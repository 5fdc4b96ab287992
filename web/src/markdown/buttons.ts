// The buttons in messages' Markdown. The Markdown is not Preact's, so they share one listener.

import { copyText, downloadText } from "../clipboard.ts";
import { reportFailure } from "../notice.ts";
import { toggleDiagram } from "./draw-diagram.ts";
import { restoreSources } from "./draw-formulas.ts";
import { followNote } from "./number-notes.ts";
import { words } from "../words.ts";

type Action = (button: HTMLElement) => void;

const ACTIONS: Readonly<Record<string, Action>> = {
  copy: (button) => {
    const show = (): void => void (button.textContent = words.copied);
    void copyText(codeOf(button)).then(show, reportFailure(words.copyingFailed));
  },
  download: (button) => downloadText(codeOf(button), `code.${extensionOf(button)}`),
  wrap: (button) => {
    const isWrapped = button.closest("figure")!.classList.toggle("wrapped");
    button.ariaPressed = String(isWrapped);
  },
  draw: toggleDiagram,
  note: followNote,
  mention: followNote,
};

const codeOf = (button: HTMLElement): string => button.closest("figure")?.querySelector("pre")?.textContent ?? "";

/** File extensions of languages whose name is not theirs. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  bash: "sh", console: "sh", csharp: "cs", javascript: "js", kotlin: "kt", markdown: "md", perl: "pl", python: "py",
  ruby: "rb", rust: "rs", shell: "sh", text: "txt", typescript: "ts", yaml: "yml", "c++": "cpp", "c#": "cs",
};

function extensionOf(button: HTMLElement): string {
  const language = button.closest("figure")?.querySelector("pre")?.dataset["language"] || "text";
  return EXTENSIONS[language] ?? language.replace(/\W/g, "");
}

/** Listen to the buttons in all messages. What is copied by hand has formulas as they were written. */
export function listenToProse(): void {
  document.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest<HTMLElement>(".prose [data-action]") : null;
    if (button) ACTIONS[button.dataset["action"]!]?.(button);
  });
  document.addEventListener("copy", copySources);
}

function copySources(event: ClipboardEvent): void {
  const selection = getSelection();
  if (!selection || selection.rangeCount === 0 || !event.clipboardData) return;
  const copy = selection.getRangeAt(0).cloneContents();
  if (copy.querySelector("[data-source]") === null) return;
  restoreSources(copy);
  const box = document.createElement("div");
  box.className = "visually-hidden prose";
  box.append(copy);
  document.body.append(box); // `innerText` needs a layout to know lines
  event.clipboardData.setData("text/plain", box.innerText);
  box.remove();
  event.preventDefault();
}
