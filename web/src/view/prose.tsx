import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { GrowingMarkdown } from "../markdown/growing.ts";

/** After a drawing that took n ms, the next one starts at the earliest 4 n ms after this one started. */
const DRAW_INTERVAL_FACTOR = 4;

/** Markdown that grows while `isLive`. Long texts are drawn less often: drawing takes a quarter of the time at most. */
export function Prose({ text, isLive }: { text: string; isLive: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const markdown = useRef<GrowingMarkdown>(null);
  const nextDrawAt = useRef(0);
  useLayoutEffect(() => {
    markdown.current ??= new GrowingMarkdown(box.current!);
    const draw = (): void => {
      const start = performance.now();
      markdown.current!.show(text, isLive);
      nextDrawAt.current = start + DRAW_INTERVAL_FACTOR * (performance.now() - start);
    };
    const waitMs = isLive ? nextDrawAt.current - performance.now() : 0;
    if (waitMs <= 0) return draw();
    const timer = setTimeout(draw, waitMs);
    return () => clearTimeout(timer);
  }, [text, isLive]);
  useEffect(() => () => markdown.current?.close(), []);
  return <div class="prose" ref={box} />;
}
