// Moves the focus when the control that had it disappears. Otherwise it would go back to the start of the page.

import { hasKeyboard } from "../keys.ts";

/** Focus the composer. Not on a phone, where that would open the keyboard. */
export function focusComposer(): void {
  if (hasKeyboard()) document.querySelector<HTMLElement>(".composer textarea")?.focus();
}

/** Focus `element`, unless the user has moved the focus elsewhere. */
export function refocus(element: HTMLElement | null | undefined): void {
  if (document.activeElement === document.body) element?.focus();
}

/** Focus the row after `link` in the list of sessions, or else the row before it. */
export function focusNextRow(link: HTMLElement | null): void {
  const rows = [...document.querySelectorAll<HTMLElement>(".list li > a")];
  const index = rows.indexOf(link!);
  (rows[index + 1] ?? rows[index - 1])?.focus();
}
