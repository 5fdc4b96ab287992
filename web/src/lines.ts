// A browser opens six connections to a host, all of its tabs together, and a stream keeps one for as long as it
// lives: the seventh tab would hang. So all tabs share a few lines, each a Web Lock:
// a tab that nobody sees holds none, and when more windows are in sight than there are lines, they take turns.
// Streams go on from where they were, so letting go of one costs nothing.

const LINES = 4;
/** Milliseconds that a line is kept although another tab waits for it. */
const TURN = 1_500;

const bell = new BroadcastChannel("chatkeep.lines");

/** Call `use` whenever this tab is seen and has a line, until `signal` is aborted; `use` ends when its signal does. */
export async function onALine(signal: AbortSignal, use: (letGo: AbortSignal) => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await seen(signal);
    if (signal.aborted) return;
    const turn = new AbortController();
    const letGo = AbortSignal.any([signal, turn.signal]);
    const whenHidden = (): void => (document.hidden ? turn.abort() : undefined);
    document.addEventListener("visibilitychange", whenHidden);
    try {
      await withLock(letGo, async (name) => {
        const stop = yieldWhenAsked(name, turn);
        await use(letGo).finally(stop);
      });
    } finally {
      document.removeEventListener("visibilitychange", whenHidden);
    }
  }
}

async function withLock(signal: AbortSignal, use: (name: string) => Promise<void>): Promise<void> {
  if (!("locks" in navigator)) return use(""); // http without TLS: no locks, so no turns
  const names = Array.from({ length: LINES }, (_, index) => `chatkeep.line.${index}`);
  for (const name of names) {
    const got = await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock) await use(name);
      return lock !== null;
    });
    if (got || signal.aborted) return;
  }
  const name = names[Math.floor(Math.random() * LINES)]!;
  const asking = setInterval(() => bell.postMessage(name), TURN / 2);
  bell.postMessage(name);
  const whenOurs = async (): Promise<void> => {
    clearInterval(asking);
    await use(name);
  };
  try {
    await navigator.locks.request(name, { signal }, whenOurs);
  } catch (error) {
    if (!signal.aborted) throw error; // an abort while it waited is no failure
  } finally {
    clearInterval(asking);
  }
}

function yieldWhenAsked(name: string, turn: AbortController): () => void {
  const since = performance.now();
  const answer = ({ data }: MessageEvent): void => {
    if (data === name && performance.now() - since >= TURN) turn.abort();
  };
  bell.addEventListener("message", answer);
  return () => bell.removeEventListener("message", answer);
}

function seen(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const check = (): void => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", check);
      signal.removeEventListener("abort", check);
      done();
    };
    document.addEventListener("visibilitychange", check);
    signal.addEventListener("abort", check);
    check();
  });
}

