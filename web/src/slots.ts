// Connection slots: the few streams that all tabs of a browser share.
//
// A browser opens at most six HTTP/1.1 connections to a host, for all tabs together, and each stream occupies one.
// Without a limit the seventh tab could not load anything. So a tab may stream only while it holds one of three slots,
// one connection is for the feed of sessions (feed.ts), and two stay free for other requests. A slot is a Web Lock,
// which no two tabs hold at the same time. A hidden tab holds no slot. When more tabs are visible than there are slots,
// the waiting tab asks one holder for its slot, and gets it once the holder has had it for a minimum time. Giving up a
// slot loses nothing: the next stream continues from the position that the last one reached.

const SLOT_COUNT = 3;
/** A tab may keep its slot for this time although another tab asks for it. */
const MIN_HOLD_MS = 1_500;

/** Tabs send the name of a slot here to ask its holder for it. The names below are older than the word "slot". */
const slotRequests = new BroadcastChannel("chatkeep.lines");
const SLOT_NAMES = Array.from({ length: SLOT_COUNT }, (_, index) => `chatkeep.line.${index}`);

type UseSlot = (slot: string) => Promise<void>;

/**
 * Call `action` again and again, each time with a slot, while the tab is visible and `signal` is not aborted.
 *
 * `action` gets a signal of its own and must end when it is aborted: the slot is then needed elsewhere.
 */
export async function withSlot(signal: AbortSignal, action: (signal: AbortSignal) => Promise<void>): Promise<void> {
  await whileVisible(signal, (visible) => {
    const release = new AbortController();
    const actionSignal = AbortSignal.any([visible, release.signal]);
    return acquireSlot(actionSignal, async (slot) => {
      const stopListening = releaseOnRequest(slot, release);
      await action(actionSignal).finally(stopListening);
    });
  });
}

/**
 * Call `action` again and again while the tab is visible and `signal` is not aborted.
 *
 * `action` gets a signal of its own and must end when it is aborted.
 */
export async function whileVisible(signal: AbortSignal, action: (signal: AbortSignal) => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await waitUntilVisible(signal);
    if (signal.aborted) return;
    const hidden = new AbortController();
    const abortWhenHidden = (): void => (document.hidden ? hidden.abort() : undefined);
    document.addEventListener("visibilitychange", abortWhenHidden);
    try {
      await action(AbortSignal.any([signal, hidden.signal]));
    } finally {
      document.removeEventListener("visibilitychange", abortWhenHidden);
    }
  }
}

/** Call `use` with a free slot; if there is none, ask a holder for its slot and wait. */
async function acquireSlot(signal: AbortSignal, use: UseSlot): Promise<void> {
  if (!("locks" in navigator)) return use(""); // no Web Locks without https, so no limit either
  for (const slot of SLOT_NAMES) {
    const isAcquired = await navigator.locks.request(slot, { ifAvailable: true }, async (lock) => {
      if (lock) await use(slot);
      return lock !== null;
    });
    if (isAcquired || signal.aborted) return;
  }
  await requestSlot(SLOT_NAMES[Math.floor(Math.random() * SLOT_COUNT)]!, signal, use);
}

/** Ask the holder of `slot` for it, until this tab has it. */
async function requestSlot(slot: string, signal: AbortSignal, use: UseSlot): Promise<void> {
  const timer = setInterval(() => slotRequests.postMessage(slot), MIN_HOLD_MS / 2);
  slotRequests.postMessage(slot);
  const useAcquired = async (): Promise<void> => {
    clearInterval(timer);
    await use(slot);
  };
  try {
    await navigator.locks.request(slot, { signal }, useAcquired);
  } catch (error) {
    if (!signal.aborted) throw error; // an abort while waiting is no failure
  } finally {
    clearInterval(timer);
  }
}

/** Abort `release` when another tab asks for `slot` after the minimum time. Returns a function that stops listening. */
function releaseOnRequest(slot: string, release: AbortController): () => void {
  const acquiredAt = performance.now();
  const onRequest = ({ data }: MessageEvent): void => {
    if (data === slot && performance.now() - acquiredAt >= MIN_HOLD_MS) release.abort();
  };
  slotRequests.addEventListener("message", onRequest);
  return () => slotRequests.removeEventListener("message", onRequest);
}

/** Wait until the tab is visible or `signal` is aborted. */
function waitUntilVisible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      resolve();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
    check();
  });
}
