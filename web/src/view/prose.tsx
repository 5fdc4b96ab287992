import { useLayoutEffect, useRef } from "preact/hooks";
import { Growing } from "../markdown.ts";

/** Markdown, growing while `isLive`. A long text is drawn less often, so that drawing never takes most of the time. */
export function Prose({ text, isLive }: { text: string; isLive: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const growing = useRef<Growing>(null);
  const rested = useRef(0);
  useLayoutEffect(() => {
    growing.current ??= new Growing(box.current!);
    const draw = (): void => {
      const start = performance.now();
      growing.current!.show(text, isLive);
      rested.current = start + 4 * (performance.now() - start);
    };
    const wait = isLive ? rested.current - performance.now() : 0;
    if (wait <= 0) return draw();
    const timer = setTimeout(draw, wait);
    return () => clearTimeout(timer);
  }, [text, isLive]);
  return <div class="prose" ref={box} />;
}
