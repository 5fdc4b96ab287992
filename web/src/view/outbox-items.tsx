import { useEffect, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { contentOf, type OutboxItem } from "../outbox.ts";

type Props = { readonly app: App; readonly conversation: Conversation };

/** The session's messages that the service has not acknowledged. */
export function OutboxItems({ app, conversation }: Props) {
  const items = useOutboxItems(app, conversation);
  return <>{items.map((item) => <OutboxItemView key={item.key} app={app} item={item} />)}</>;
}

/** Return the session's outbox items that the stream has not shown yet. */
export function useOutboxItems(app: App, conversation: Conversation): readonly OutboxItem[] {
  const items = useCell(app.outbox.items);
  const echoes = useCell(app.outbox.echoes);
  return items.filter(({ key, session }) => session === conversation.id && !echoes.has(key));
}

function OutboxItemView({ app, item }: { app: App; item: OutboxItem }) {
  const content = contentOf(item);
  const isOnline = useOnline();
  const sending = item.body.on_busy === "reject" ? "Will be sent after what was said before it." : "Sending…";
  const state = isOnline ? sending : "Will be sent when the network is back.";
  return (
    <article class="user-message pending">
      {content !== null && <h2 class="visually-hidden">You said</h2>}
      {content !== null && <div class="bubble" dir="auto">{content}</div>}
      {item.refused === null ? (
        <p class="soft delivery">{content === null ? "Asking again…" : state}</p>
      ) : (
        <div class="note" role="alert">
          <p>Not sent: {item.refused}</p>
          <button type="button" onClick={() => app.outbox.retry(item.key)}>Try again</button>
          <button type="button" class="quiet" onClick={() => app.outbox.remove(item.key)}>Discard</button>
        </div>
      )}
    </article>
  );
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
