// The keys of the page (`keys-dialog.tsx` lists them). They do nothing while a dialog is open, and Escape in a menu or an
// editor stops no answer.

import { useEffect } from "preact/hooks";
import type { App } from "../app.ts";
import { isCommand, isTyped } from "../keys.ts";
import { reportFailure } from "../notice.ts";
import { words } from "../words.ts";

/** Listen to the page's keys. `showList` brings the list of chats into view where it is hidden. */
export function useShortcuts(app: App, showList: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (!isTyped(event) || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      const action = findAction(event, app, showList);
      if (action === null) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}

function findAction(event: KeyboardEvent, app: App, showList: () => void): (() => void) | null {
  const key = event.key.toLowerCase();
  if (isCommand(event) && !event.shiftKey && key === "k") return () => focusSearch(showList);
  if (isCommand(event) && event.shiftKey && key === "o") return () => app.startNew();
  if ((isCommand(event) && key === "/") || (key === "?" && !isWriting(event))) return () => (app.dialog.value = "keys");
  if (key === "arrowup" && isEmptyComposer(event.target)) return findLastEdit();
  const run = app.conversation.value.openRun.value;
  if (key === "escape" && run && !run.isWaiting && !isForAnother(event.target))
    return () => void app.conversation.value.stop().catch(reportFailure(words.stoppingFailed));
  return null;
}

function focusSearch(showList: () => void): void {
  showList();
  setTimeout(() => document.querySelector<HTMLElement>(".search")?.focus()); // once the list may have the focus
}

const isWriting = ({ target, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean =>
  ctrlKey || metaKey || altKey || (target instanceof Element && target.matches("input, textarea, select"));

const isEmptyComposer = (target: EventTarget | null): boolean =>
  target instanceof HTMLTextAreaElement && target.closest(".composer") !== null && target.value === "";

/** Return what opens the editor of the user's last message; null if there is none. */
function findLastEdit(): (() => void) | null {
  const last = [...document.querySelectorAll(".message")].slice(-2); // the question may be far away, and not drawn
  const button = last.map((box) => box.querySelector<HTMLElement>("[data-action=edit]")).findLast((each) => each !== null);
  return button ? () => button.click() : null;
}

/** True if Escape means something else here: it closes a menu, a list or a field. */
const isForAnother = (target: EventTarget | null): boolean =>
  document.querySelector(":popover-open, .drawer-open") !== null ||
  (target instanceof Element && target.closest("input, select, .editor") !== null);
