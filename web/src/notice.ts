// One short sentence at the edge of the page, perhaps with something to do about it.

import { Cell } from "./cell.ts";

export interface Notice {
  readonly text: string;
  readonly action: { readonly label: string; readonly run: () => void } | null;
  /** Milliseconds that it stays. */
  readonly stays: number;
  /** Called once when it goes, whether the action was taken or not. */
  readonly gone: () => void;
}

export const notice = new Cell<Notice | null>(null);

export function notify(text: string, action: Notice["action"] = null, stays = 6_000, gone = (): void => undefined): void {
  notice.value?.gone();
  notice.value = { text, action, stays, gone };
}

export function dismiss(): void {
  notice.value?.gone();
  notice.value = null;
}

/** For actions whose failure the user should hear about and can do nothing else about. */
export const saying = (what: string) => (error: unknown) =>
  notify(`${what}: ${error instanceof TypeError || error instanceof DOMException ? "the service cannot be reached" : (error as Error).message}`);
