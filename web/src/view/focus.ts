// Where the focus goes when the control that had it goes: nowhere would be the start of the page.

/** To where one writes; not on a phone, which would open its keyboard. */
export function focusComposer(): void {
  if (matchMedia("(hover: hover)").matches) document.querySelector<HTMLElement>(".composer textarea")?.focus();
}

/** To `element`, unless the user has gone elsewhere. */
export function refocus(element: HTMLElement | null | undefined): void {
  if (document.activeElement === document.body) element?.focus();
}

/** To the row after `link` in the list of sessions, or the one before it. */
export function focusNextRow(link: HTMLElement | null): void {
  const rows = [...document.querySelectorAll<HTMLElement>(".list li > a")];
  const at = rows.indexOf(link!);
  (rows[at + 1] ?? rows[at - 1])?.focus();
}
