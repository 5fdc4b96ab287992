import { useEffect, useRef, useState } from "preact/hooks";
import { type App, UNTITLED } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { dismiss, notice } from "../notice.ts";
import { Composer } from "./composer.tsx";
import { IconButton } from "./icons.tsx";
import { Sidebar } from "./sidebar.tsx";
import { Letters, Thread } from "./thread.tsx";
import { Welcome } from "./welcome.tsx";

const NARROW = matchMedia("(max-width: 48rem)");

/** Everything: the list at the side (a drawer on a phone), the open session, what is said to screen readers. */
export function Page({ app }: { app: App }) {
  const open = useCell(app.open);
  const [isDrawn, setDrawn] = useState(false);
  const isNarrow = useMedia(NARROW);
  const drawer = useRef<HTMLElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const wasDrawn = useRef(false);
  useEffect(() => {
    const from = isDrawn ? drawer.current : wasDrawn.current ? menu.current : null;
    from?.querySelector<HTMLElement>("button")?.focus();
    wasDrawn.current = isDrawn;
  }, [isDrawn]);
  const leave = (): void => setDrawn(false);
  const isCovered = isNarrow && isDrawn;
  return (
    <div class={`page ${isDrawn ? "drawn" : ""}`} onKeyDown={({ key }) => (key === "Escape" ? leave() : undefined)}>
      <nav ref={drawer} aria-label="Chats" inert={isNarrow && !isDrawn}><Sidebar app={app} leave={leave} /></nav>
      <div class="shade" onClick={leave} />
      <main inert={isCovered}>
        <div class="bar" ref={menu}>
          <IconButton name="menu" label="Chats" run={() => setDrawn(true)} />
          <Title conversation={open} key={open.id} />
        </div>
        <Body app={app} conversation={open} key={open.id} />
      </main>
      <Toast />
      <p class="unseen" role="status">{useCell(app.spoken)}</p>
    </div>
  );
}

function Title({ conversation }: { conversation: Conversation }) {
  const session = useCell(conversation.session);
  const title = session?.title ?? UNTITLED;
  useEffect(() => void (document.title = `${title} · chatkeep`), [title]);
  return <h1 dir="auto">{title}</h1>;
}

function Body({ app, conversation }: { app: App; conversation: Conversation }) {
  const link = useCell(conversation.link);
  const isNew = useCell(conversation.isNew);
  const isEmpty = isNew && !useCell(app.outbox.letters).some(({ session }) => session === conversation.id);
  if (link === "gone")
    return (
      <div class="welcome column">
        <p class="greeting">This chat is no longer there.</p>
        <Letters app={app} conversation={conversation} />
        <button type="button" class="main" onClick={() => app.startNew()}>New chat</button>
      </div>
    );
  return (
    <>
      {isEmpty ? <Welcome app={app} /> : <Thread app={app} conversation={conversation} />}
      <footer>
        {link === "lost" && <p class="link" role="status">Connection lost. It will be taken up again by itself.</p>}
        <Composer app={app} conversation={conversation} />
      </footer>
    </>
  );
}

function Toast() {
  const shown = useCell(notice);
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (shown === null || isHeld) return;
    const timer = setTimeout(dismiss, shown.stays);
    return () => clearTimeout(timer);
  }, [shown, isHeld]);
  return (
    <div class="toast-place" role="status" onMouseEnter={() => setHeld(true)} onMouseLeave={() => setHeld(false)}
      onFocusIn={() => setHeld(true)} onFocusOut={() => setHeld(false)}>
      {shown && (
        <div class="toast">
          <span>{shown.text}</span>
          {shown.action && <button type="button" onClick={() => (shown.action!.run(), dismiss())}>{shown.action.label}</button>}
          <IconButton name="close" label="Dismiss" run={dismiss} />
        </div>
      )}
    </div>
  );
}

function useMedia(query: MediaQueryList): boolean {
  const [isMatched, setMatched] = useState(query.matches);
  useEffect(() => {
    const look = (): void => setMatched(query.matches);
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, []);
  return isMatched;
}
