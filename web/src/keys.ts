// Keys: which Enter is the user's, and which one sends.

import { settings } from "./settings.ts";

type KeyPress = Pick<KeyboardEvent, "key" | "keyCode" | "isComposing" | "shiftKey" | "ctrlKey" | "metaKey" | "altKey">;

/** Safari gives this code to the Enter that ends a composition. It comes after `compositionend`, so it looks typed. */
const COMPOSITION_KEY_CODE = 229;

/** True if the user has pressed this key, and not to choose a word of an input method (Chinese, Japanese, Korean …). */
export const isTyped = ({ isComposing, keyCode }: KeyPress): boolean =>
  !isComposing && keyCode !== COMPOSITION_KEY_CODE;

/** True if the user has pressed Enter to end something. */
export const isEnter = (press: KeyPress): boolean => press.key === "Enter" && isTyped(press);

/** True if this is the command key of the system, with nothing else. */
export const isCommand = ({ ctrlKey, metaKey, altKey }: KeyPress): boolean => (ctrlKey || metaKey) && !altKey;

/** True where there is a keyboard beside the screen. The one on a screen has no Shift+Enter for a new line. */
export const hasKeyboard = (): boolean => matchMedia("(hover: hover)").matches;

/** True if plain Enter sends: where there is a keyboard, and the user has not chosen otherwise. */
export const sendsWithEnter = (): boolean => hasKeyboard() && settings.value.sendKey === "enter";

/** True if this key sends a message. Ctrl+Enter and ⌘+Enter always do. */
export const isSendKey = (press: KeyPress): boolean =>
  isEnter(press) && !press.shiftKey && (isCommand(press) || (sendsWithEnter() && !press.altKey));
