// What this browser keeps: drafts, and messages that are not acknowledged yet. Where it may keep nothing (a private
// window, a full disk), the page remembers as long as it is open.

const PREFIX = "chatkeep.";
const remembered = new Map<string, string>();

export function recall(name: string): string | null {
  return remembered.get(name) ?? stored(() => localStorage.getItem(PREFIX + name)) ?? null;
}

export function keep(name: string, text: string): void {
  const isKept = stored(() => (localStorage.setItem(PREFIX + name, text), true));
  if (isKept) remembered.delete(name);
  else remembered.set(name, text);
}

export function forget(name: string): void {
  remembered.delete(name);
  stored(() => localStorage.removeItem(PREFIX + name));
}

/** All names that begin so. */
export function names(start: string): string[] {
  const kept = stored(() => Object.keys(localStorage)) ?? [];
  const ours = kept.filter((key) => key.startsWith(PREFIX + start)).map((key) => key.slice(PREFIX.length));
  return [...new Set([...ours, ...[...remembered.keys()].filter((name) => name.startsWith(start))])];
}

/** Forget `text`, unless another tab keeps something else under that name by now. */
export function drop(name: string, text: string): void {
  if (recall(name) === text) forget(name);
}

/** Be told when another tab changed what is kept under a name that begins so. */
export function onChange(start: string, tell: () => void): void {
  addEventListener("storage", ({ key }) => (key?.startsWith(PREFIX + start) ? tell() : undefined));
}

function stored<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch (error) {
    console.warn("this browser keeps nothing for the page:", error);
    return undefined;
  }
}
