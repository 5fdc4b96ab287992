// A cell holds one value that components watch.
//
// A change does not call the watchers at once. It marks them, and the next animation frame calls each of them once,
// however often the value changed in between. So a stream of many small events costs one drawing per frame.
// A hidden page has no animation frames: its watchers are called when the page is shown again.
// Setting a value that is the same as before (`Object.is`) is no change. Values are replaced, never changed in place.

import { useEffect, useReducer } from "preact/hooks";

type Watcher = () => void;

/** Watchers that the next animation frame calls, of all cells. */
const scheduled = new Set<Watcher>();

function callWatchers(): void {
  const watchers = [...scheduled];
  scheduled.clear(); // first, because a watcher may change a cell
  for (const watcher of watchers) watcher();
}

export class Cell<T> {
  readonly #watchers = new Set<Watcher>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set value(value: T) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    if (scheduled.size === 0 && this.#watchers.size > 0) requestAnimationFrame(callWatchers);
    for (const watcher of this.#watchers) scheduled.add(watcher);
  }

  /** Call `watcher` after changes. Returns a function that stops this. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      scheduled.delete(watcher);
    };
  }
}

/** Return the cell's value, and draw the component again when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const value = cell.value;
  useEffect(() => {
    if (!Object.is(cell.value, value)) redraw(undefined); // it changed between drawing and watching
    return cell.watch(() => redraw(undefined));
  }, [cell]);
  return value;
}
