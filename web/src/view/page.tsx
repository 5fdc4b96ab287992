import { useEffect, useRef, useState } from "preact/hooks";
import { type App, UNTITLED } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { Composer } from "./composer.tsx";
import { IconButton } from "./icons.tsx";
import { ModelSelect } from "./model-select.tsx";
import { Notices } from "./notices.tsx";
import { OutboxItems } from "./outbox-items.tsx";
import { Sidebar } from "./sidebar.tsx";
import { Thread } from "./thread.tsx";
import { Welcome } from "./welcome.tsx";

const NARROW_SCREEN = matchMedia("(max-width: 48rem)");

/** The whole page: the list of sessions at the side (a drawer on a phone), the open session, and notices. */
export function Page({ app }: { app: App }) {
  const conversation = useCell(app.conversation);
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const isNarrow = useMedia(NARROW_SCREEN);
  const drawer = useRef<HTMLElement>(null);
  const bar = useRef<HTMLDivElement>(null);
  const wasDrawerOpen = useRef(false);
  useEffect(() => {
    const focused = isDrawerOpen ? drawer.current : wasDrawerOpen.current ? bar.current : null;
    focused?.querySelector<HTMLElement>("button")?.focus();
    wasDrawerOpen.current = isDrawerOpen;
  }, [isDrawerOpen]);
  const close = (): void => setDrawerOpen(false);
  const closeOnEscape = ({ key }: KeyboardEvent): void => (key === "Escape" ? close() : undefined);
  return (
    <div class={`page ${isDrawerOpen ? "drawer-open" : ""}`} onKeyDown={closeOnEscape}>
      <nav ref={drawer} aria-label="Chats" inert={isNarrow && !isDrawerOpen}><Sidebar app={app} onLeave={close} /></nav>
      <div class="shade" onClick={close} />
      <main inert={isNarrow && isDrawerOpen}>
        <div class="bar" ref={bar}>
          <IconButton name="menu" label="Chats" onClick={() => setDrawerOpen(true)} />
          <Title conversation={conversation} key={conversation.id} />
          <ModelSelect app={app} conversation={conversation} />
        </div>
        <OpenSession app={app} conversation={conversation} key={conversation.id} />
      </main>
      <Notices />
      <p class="visually-hidden" role="status">{useCell(app.announcement)}</p>
    </div>
  );
}

function Title({ conversation }: { conversation: Conversation }) {
  const session = useCell(conversation.session);
  const title = session?.title ?? UNTITLED;
  useEffect(() => void (document.title = `${title} · chatkeep`), [title]);
  return <h1 dir="auto">{title}</h1>;
}

function OpenSession({ app, conversation }: { app: App; conversation: Conversation }) {
  const connection = useCell(conversation.connection);
  const isNew = useCell(conversation.isNew);
  const isEmpty = isNew && !useCell(app.outbox.items).some(({ session }) => session === conversation.id);
  if (connection === "gone")
    return (
      <div class="welcome column">
        <p class="greeting">This chat is no longer there.</p>
        <OutboxItems app={app} conversation={conversation} />
        <button type="button" class="main" onClick={() => app.startNew()}>New chat</button>
      </div>
    );
  return (
    <>
      {isEmpty ? <Welcome app={app} /> : <Thread app={app} conversation={conversation} />}
      <footer>
        {connection === "lost" && (
          <p class="connection" role="status">Connection lost. It will be taken up again by itself.</p>
        )}
        <Composer app={app} conversation={conversation} />
      </footer>
    </>
  );
}

/** Return true while the media query matches. */
function useMedia(query: MediaQueryList): boolean {
  const [isMatching, setMatching] = useState(query.matches);
  useEffect(() => {
    const update = (): void => setMatching(query.matches);
    query.addEventListener("change", update);
    return () => query.removeEventListener("change", update);
  }, []);
  return isMatching;
}
