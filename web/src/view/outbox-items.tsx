import { useEffect, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { contentOf, type OutboxItem, type ReachedLimit } from "../outbox.ts";
import { words } from "../words.ts";

type Props = { readonly app: App; readonly conversation: Conversation };

/** The session's messages that the service has not acknowledged. */
export function OutboxItems({ app, conversation }: Props) {
  const items = useOutboxItems(app, conversation);
  return <>{items.map((item) => <OutboxItemView key={item.key} app={app} item={item} conversation={conversation} />)}</>;
}

/** Return the session's outbox items that the stream has not shown yet. */
export function useOutboxItems(app: App, conversation: Conversation): readonly OutboxItem[] {
  const items = useCell(app.outbox.items);
  const echoes = useCell(app.outbox.echoes);
  return items.filter(({ key, session }) => session === conversation.id && !echoes.has(key));
}

function OutboxItemView({ app, conversation, item }: Props & { item: OutboxItem }) {
  const content = contentOf(item);
  const state = useDeliveryState(app, item);
  const reached = useCell(app.outbox.reachedLimit);
  const takeBack = (): void => {
    if (conversation.connection.value === "gone") app.startNew(); // a deleted chat has no field
    app.conversation.value.returnedText.value = content;
    app.outbox.remove(item.key);
  };
  return (
    <article class="user-message pending">
      {content !== null && <h2 class="visually-hidden">{words.youSaid}</h2>}
      {content !== null && <div class="bubble" dir="auto">{content}</div>}
      {item.refused === null ? (
        reached === null ? <p class="soft delivery">{state}</p> : <LimitNote reached={reached} />
      ) : (
        <div class="note" role="alert">
          <p>{words.notSent(item.refused)}</p>
          <button type="button" onClick={() => app.outbox.retry(item.key)}>{words.tryAgain}</button>
          {content !== null && <button type="button" onClick={takeBack}>{words.takeBack}</button>}
          <button type="button" class="quiet" onClick={() => app.outbox.remove(item.key)}>{words.discard}</button>
        </div>
      )}
    </article>
  );
}

/** The limit that items wait for, counted down: it may take until tomorrow, so the page says why nothing is sent. */
function LimitNote({ reached }: { reached: ReachedLimit }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const reason = words.limits[reached.limit];
  return (
    <p class="note" role="status">
      {reason} <span role="timer">{words.sentIn(formatWait((reached.until - now) / 1_000))}</span>
    </p>
  );
}

/** Return a time in seconds as `7 s`, `72 min` or `5 h 12 min`. */
function formatWait(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.ceil(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Return where an item is, in words. */
function useDeliveryState(app: App, item: OutboxItem): string {
  const isOnline = useOnline();
  const isUnreachable = useCell(app.outbox.isUnreachable);
  if (!isOnline) return words.sendingOffline;
  if (isUnreachable) return words.sendingUnreachable;
  if (contentOf(item) === null) return words.askingAgain;
  return item.body.on_busy === "reject" ? words.sendingAfter : words.sending;
}

/** Return true while the browser has a network. */
function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = (): void => setOnline(navigator.onLine);
    addEventListener("online", update);
    addEventListener("offline", update);
    update(); // it may have changed between drawing and listening
    return () => {
      removeEventListener("online", update);
      removeEventListener("offline", update);
    };
  }, []);
  return isOnline;
}
