// The feed of the user's sessions (docs/events.md): one connection for all tabs of a browser.
//
// One visible tab holds it, by a Web Lock, and tells the others. A hidden tab holds no connection. Without Web Locks,
// which want https, every visible tab has a feed of its own.

import { follow } from "../../clients/typescript/src/stream.ts";
import { whileVisible } from "./slots.ts";

const LOCK = "chatkeep.feed";

/** Call `onChange` whenever the list of sessions may have changed, for as long as the page lives. */
export async function followSessions(onChange: () => void): Promise<void> {
  const signal = new AbortController().signal;
  await whileVisible(signal, async (visible) => {
    const read = async (): Promise<void> => {
      for await (const _ of follow("api/events", "", { signal: visible })) onChange();
    };
    if (!("locks" in navigator)) return read();
    await navigator.locks.request(LOCK, { signal: visible }, read).catch((error: unknown) => {
      if (!visible.aborted) throw error; // an abort while waiting is no failure
    });
  });
}
