// A short message at the edge of the page, for example "Deleted", perhaps with a button.

import { Cell } from "./cell.ts";

export interface Notice {
  readonly text: string;
  readonly button: { readonly label: string; readonly onClick: () => void } | null;
  /** How long the notice is shown, in milliseconds. */
  readonly durationMs: number;
  /** Called once when the notice goes away, whether the button was pressed or not. */
  readonly onClose: () => void;
}

const DEFAULT_DURATION_MS = 6_000;

/** The notice on the page; null when there is none. */
export const notice = new Cell<Notice | null>(null);

/** Show a notice. It replaces the one that is shown. */
export function notify(
  text: string,
  button: Notice["button"] = null,
  durationMs = DEFAULT_DURATION_MS,
  onClose = (): void => undefined,
): void {
  notice.value?.onClose();
  notice.value = { text, button, durationMs, onClose };
}

/** Take the notice off the page. */
export function dismissNotice(): void {
  notice.value?.onClose();
  notice.value = null;
}

/** Return an error handler that shows `summary` and the reason. For actions that offer the user no other way on. */
export const reportFailure = (summary: string) => (error: unknown) => {
  const isUnreachable = error instanceof TypeError || error instanceof DOMException;
  notify(`${summary}: ${isUnreachable ? "the service cannot be reached" : (error as Error).message}`);
};
