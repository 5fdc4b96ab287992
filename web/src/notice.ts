// Short messages at the edge of the page, for example "Deleted", perhaps with a button. Each has its own time, so that
// a second one takes nothing away from the first.

import { Cell } from "./cell.ts";
import { words } from "./words.ts";

export interface Notice {
  readonly text: string;
  readonly button: { readonly label: string; readonly onClick: () => void } | null;
  /** How long the notice is shown, in milliseconds. */
  readonly durationMs: number;
  /** Called once when the notice goes away, whether the button was pressed or not. */
  readonly onClose: () => void;
}

const DEFAULT_DURATION_MS = 6_000;
/** More than these cover the page. The oldest one goes. */
const MAX_NOTICES = 4;

/** The notices on the page, the oldest first. */
export const notices = new Cell<readonly Notice[]>([]);

/** Show a notice. One with the same text is shown once. */
export function notify(
  text: string,
  button: Notice["button"] = null,
  durationMs = DEFAULT_DURATION_MS,
  onClose = (): void => undefined,
): void {
  const isRepeated = (other: Notice): boolean => other.text === text && other.button === null && button === null;
  notices.value.filter(isRepeated).forEach(dismissNotice);
  notices.value = [...notices.value, { text, button, durationMs, onClose }];
  notices.value.slice(0, -MAX_NOTICES).forEach(dismissNotice);
}

/** Take a notice off the page. */
export function dismissNotice(notice: Notice): void {
  if (!notices.value.includes(notice)) return;
  notices.value = notices.value.filter((other) => other !== notice);
  notice.onClose();
}

/** Return an error handler that shows `summary` and the reason. For actions that offer the user no other way on. */
export const reportFailure = (summary: string) => (error: unknown) => notify(describeFailure(summary, error));

/** Return `summary` and the reason, as the user reads it. */
export function describeFailure(summary: string, error: unknown): string {
  const isUnreachable = error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError");
  return words.failure(summary, isUnreachable ? words.unreachable : (error as Error).message);
}
