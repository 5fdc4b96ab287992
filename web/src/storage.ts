// Texts that this browser stores: drafts, the outbox, settings and what was seen. Where the browser stores nothing (a
// private window, a full disk), they live in memory for as long as the page is open. Import as `* as storage`.

const KEY_PREFIX = "chatkeep.";
const memory = new Map<string, string>();

/** Return the text stored under `name`; null if there is none. */
export function load(name: string): string | null {
  return memory.get(name) ?? tryStorage(() => localStorage.getItem(KEY_PREFIX + name)) ?? null;
}

/** Return the JSON object stored under `name`; an empty one if there is none, or what is there is none. */
export function loadObject(name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(load(name) ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch (error) {
    console.warn(`what is stored as ${name} is not read:`, error);
    return {};
  }
}

export function save(name: string, text: string): void {
  const isStored = tryStorage(() => (localStorage.setItem(KEY_PREFIX + name, text), true));
  if (isStored) memory.delete(name);
  else memory.set(name, text);
}

export function remove(name: string): void {
  memory.delete(name);
  tryStorage(() => localStorage.removeItem(KEY_PREFIX + name));
}

/** Remove `text`, unless another tab has stored something else under that name since. */
export function removeIfEqual(name: string, text: string): void {
  if (load(name) === text) remove(name);
}

/** Return all names that begin with `prefix`. */
export function listNames(prefix: string): string[] {
  const keys = tryStorage(() => Object.keys(localStorage)) ?? [];
  const stored = keys.filter((key) => key.startsWith(KEY_PREFIX + prefix)).map((key) => key.slice(KEY_PREFIX.length));
  const inMemory = [...memory.keys()].filter((name) => name.startsWith(prefix));
  return [...new Set([...stored, ...inMemory])];
}

/** Call `listener` when another tab changes a text whose name begins with `prefix`. */
export function onChange(prefix: string, listener: () => void): void {
  addEventListener("storage", ({ key }) => (key?.startsWith(KEY_PREFIX + prefix) ? listener() : undefined));
}

/** Return the result of `action`; undefined if the browser refuses access to its storage. */
function tryStorage<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    console.warn("this browser keeps nothing for the page:", error);
    return undefined;
  }
}
