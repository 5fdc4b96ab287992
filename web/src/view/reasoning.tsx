import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Prose } from "./prose.tsx";
import { words } from "../words.ts";

/** Characters of the newest thought that are seen while the thoughts are folded. */
const GLIMPSE_CHARS = 120;

/** A model's thoughts, folded. While they grow, their end is seen; then, how long they took, if this page saw it. */
export function Reasoning({ text, isLive }: { text: string; isLive: boolean }) {
  const [isOpen, setOpen] = useState(false);
  const seconds = useDuration(isLive);
  const label = isLive ? words.prose.thinking : seconds === null ? words.prose.thoughts : words.prose.thoughtFor(seconds);
  return (
    <details class="reasoning" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        {label}
        {isLive && !isOpen && <span class="glimpse" aria-hidden="true" dir="auto">{glimpseOf(text)}</span>}
      </summary>
      {isOpen && <Prose text={text} isLive={isLive} />}
    </details>
  );
}

/** Return the last line of the text, without marks and only its end. */
const glimpseOf = (text: string): string =>
  (text.trimEnd().split("\n").at(-1) ?? "").replace(/[*_`#>]+/g, "").slice(-GLIMPSE_CHARS);

/** Return the seconds from the first drawing to the end; null while it goes on, or if it had ended before. */
function useDuration(isLive: boolean): number | null {
  const start = useRef(isLive ? Date.now() : null);
  const [seconds, setSeconds] = useState<number | null>(null);
  useLayoutEffect(() => {
    if (!isLive && start.current !== null) setSeconds(Math.max(Math.round((Date.now() - start.current) / 1_000), 1));
  }, [isLive]);
  return seconds;
}
