import { useEffect, useState } from "preact/hooks";
import { get } from "../api.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { hasEnded } from "../../../clients/typescript/src/events.ts";
import type { Run } from "../../../clients/typescript/src/schema.ts";
import { words } from "../words.ts";

/** A hidden tab has no stream. It asks this often if the answer that it left has ended. */
const ASK_INTERVAL_MS = 5_000;

/** The title, on the page and on the tab. The tab also tells that an answer is being made, or was made meanwhile. */
export function Title({ conversation }: { conversation: Conversation }) {
  const session = useCell(conversation.session);
  const isBusy = useCell(conversation.openRun) !== null;
  const hasNews = useNews(conversation);
  const title = session?.title ?? words.untitled;
  useEffect(() => {
    document.title = `${hasNews ? "● " : isBusy ? "… " : ""}${title} · chatkeep`;
  }, [title, isBusy, hasNews]);
  return <h1 dir="auto">{title}</h1>;
}

/** Return true once the answer that a hidden tab has left is made, until the tab is in view again. */
function useNews(conversation: Conversation): boolean {
  const [hasNews, setNews] = useState(false);
  useEffect(() => {
    let timer = 0;
    const ask = async (runId: string): Promise<void> => {
      const run = await get<Run>(`runs/${runId}`);
      if (!hasEnded(run.status) || !document.hidden) return;
      clearInterval(timer);
      setNews(true);
    };
    const onChange = (): void => {
      clearInterval(timer);
      const run = conversation.openRun.value;
      if (!document.hidden) setNews(false);
      else if (run) timer = setInterval(() => void ask(run.id).catch(keepAsking), ASK_INTERVAL_MS) as unknown as number;
    };
    document.addEventListener("visibilitychange", onChange);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", onChange);
    };
  }, []);
  return hasNews;
}

const keepAsking = (error: unknown): void => console.info("the answer will be asked about again:", error);
