import { useEffect, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { contentOf, type OutboxItem, type ReachedLimit } from "../outbox.ts";
import { FileChips, useUploadStates } from "./draft-files.tsx";
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

/** An item without files has the same ones at each drawing. */
const NO_FILES: NonNullable<OutboxItem["files"]> = [];

function OutboxItemView({ app, conversation, item }: Props & { item: OutboxItem }) {
  const content = contentOf(item);
  const { files = NO_FILES, refused } = item;
  const isBringing = useUploadStates(app, files).some(({ fileId }) => fileId === null);
  const state = useDeliveryState(app, item, isBringing);
  const reached = useCell(app.outbox.reachedLimit);
  return (
    <article class="user-message pending">
      {content !== null && <h2 class="visually-hidden">{words.youSaid}</h2>}
      {content && <div class="bubble" dir="auto">{content}</div>}
      <FileChips app={app} files={files} onRemove={null} />
      {refused !== null && <Refusal app={app} conversation={conversation} item={item} refused={refused} />}
      {refused === null && reached !== null && <LimitNote reached={reached} />}
      {refused === null && reached === null && <p class="soft delivery">{state}</p>}
      {refused === null && isBringing && ( // later it may be on its way, and would be sent twice
        <button type="button" class="quiet unfold" onClick={() => takeBack(app, conversation, item)}>{words.takeBack}</button>
      )}
    </article>
  );
}

/** Why an item is not sent, and the ways on. */
function Refusal({ app, conversation, item, refused }: Props & { item: OutboxItem; refused: string }) {
  const inOurWords = words.files.messageRefusals[item.refusedCode ?? ""];
  return (
    <div class="note" role="alert">
      <p>{words.notSent(inOurWords ?? refused)}</p>
      {inOurWords && <p class="soft">{refused}</p>}
      <button type="button" onClick={() => app.outbox.retry(item)}>{words.tryAgain}</button>
      {contentOf(item) !== null && (
        <button type="button" onClick={() => takeBack(app, conversation, item)}>{words.takeBack}</button>
      )}
      <button type="button" class="quiet" onClick={() => app.outbox.discard(item)}>{words.discard}</button>
    </div>
  );
}

function takeBack(app: App, conversation: Conversation, item: OutboxItem): void {
  if (conversation.connection.value === "gone") app.startNew(); // a deleted chat has no field
  app.conversation.value.returned.value = { text: contentOf(item) ?? "", files: item.files ?? [] };
  app.outbox.remove(item.key);
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
function useDeliveryState(app: App, item: OutboxItem, isBringing: boolean): string {
  const isOnline = useOnline();
  const isUnreachable = useCell(app.outbox.isUnreachable);
  if (!isOnline) return words.sendingOffline;
  if (isUnreachable) return words.sendingUnreachable;
  if (contentOf(item) === null) return words.askingAgain;
  if (isBringing) return words.files.bringing;
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
