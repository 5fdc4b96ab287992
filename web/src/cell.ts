// A value that can be watched. Watchers are told once a frame, however often it changed: that is what makes a
// stream of tokens cheap to show. A hidden page draws no frames, and is told when it is shown again.

import { useEffect, useReducer } from "preact/hooks";

type Watcher = () => void;
const due = new Set<Watcher>();

function tell(): void {
  const watchers = [...due];
  due.clear();
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
    if (due.size === 0 && this.#watchers.size > 0) requestAnimationFrame(tell);
    for (const watcher of this.#watchers) due.add(watcher);
  }

  /** Be told of changes; the answer stops it. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      due.delete(watcher);
    };
  }
}

/** The cell's value, in a component that is drawn again when it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const seen = cell.value;
  useEffect(() => {
    if (!Object.is(cell.value, seen)) redraw(undefined); // it changed between drawing and watching
    return cell.watch(() => redraw(undefined));
  }, [cell]);
  return seen;
}
