import assert from "node:assert/strict";
import { test } from "node:test";
import { isEnter, isSendKey, isTyped } from "../src/keys.ts";

const PRESS = { key: "Enter", keyCode: 13, isComposing: false, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false };
const setHover = (matches: boolean): void => void Object.assign(globalThis, { matchMedia: () => ({ matches }) });

test("the Enter that ends a composition is not the user's, in Safari either", () => {
  assert.equal(isEnter(PRESS), true);
  assert.equal(isEnter({ ...PRESS, isComposing: true }), false);
  assert.equal(isEnter({ ...PRESS, keyCode: 229 }), false);
  assert.equal(isTyped({ ...PRESS, key: "Process", keyCode: 229 }), false);
});

test("Enter sends where there is a keyboard, Ctrl+Enter everywhere, Shift+Enter nowhere", () => {
  setHover(true);
  assert.equal(isSendKey(PRESS), true);
  assert.equal(isSendKey({ ...PRESS, shiftKey: true }), false);
  assert.equal(isSendKey({ ...PRESS, key: "a", keyCode: 65 }), false);
  setHover(false);
  assert.equal(isSendKey(PRESS), false);
  assert.equal(isSendKey({ ...PRESS, ctrlKey: true }), true);
  assert.equal(isSendKey({ ...PRESS, metaKey: true }), true);
});
