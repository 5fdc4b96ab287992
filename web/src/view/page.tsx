import { useEffect, useRef, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { type ShownPicture, shownPicture } from "../files/pictures.ts";
import { words } from "../words.ts";
import { LazyAccountDialog } from "./account-menu.tsx";
import { ChatMenu } from "./chat-menu.tsx";
import { Composer } from "./composer.tsx";
import { IconButton } from "./icons.tsx";
import { KeysDialog } from "./keys-dialog.tsx";
import { useLazy } from "./lazy.ts";
import { Notices } from "./notices.tsx";
import { OutboxItems } from "./outbox-items.tsx";
import { AssistantSelect, ModelSelect } from "./session-selects.tsx";
import { SettingsDialog } from "./settings-dialog.tsx";
import { useShortcuts } from "./shortcuts.ts";
import { Sidebar } from "./sidebar.tsx";
import { Thread } from "./thread.tsx";
import { Title } from "./title.tsx";
import { Welcome } from "./welcome.tsx";

const NARROW_SCREEN = matchMedia("(max-width: 48rem)");

/** The whole page: the list of sessions at the side (a drawer on a phone), the open session, notices and dialogs. */
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
  useShortcuts(app, () => setDrawerOpen(NARROW_SCREEN.matches));
  const close = (): void => setDrawerOpen(false);
  const closeOnEscape = ({ key }: KeyboardEvent): void => {
    if (key === "Escape" && document.querySelector(":popover-open, dialog[open]") === null) close();
  };
  return (
    <div class={`page ${isDrawerOpen ? "drawer-open" : ""}`} onKeyDown={closeOnEscape}>
      <button type="button" class="skip" onClick={focusMessageField}>{words.skipToChat}</button>
      <nav ref={drawer} aria-label={words.chats} inert={isNarrow && !isDrawerOpen}>
        <Sidebar app={app} onLeave={close} />
      </nav>
      <div class="shade" onClick={close} />
      <main inert={isNarrow && isDrawerOpen}>
        <div class="bar" ref={bar}>
          <IconButton name="menu" label={words.chats} onClick={() => setDrawerOpen(true)} />
          <Title conversation={conversation} key={conversation.id} />
          <AssistantSelect app={app} conversation={conversation} />
          <ModelSelect app={app} conversation={conversation} />
          <ChatMenu app={app} conversation={conversation} />
        </div>
        <OpenSession app={app} conversation={conversation} key={conversation.id} />
      </main>
      <Notices />
      <OpenDialog app={app} />
      <OpenViewer />
      <p class="visually-hidden" role="status">{useCell(app.announcement)}</p>
    </div>
  );
}

const focusMessageField = (): void => document.querySelector<HTMLElement>(".composer textarea")?.focus();

function OpenDialog({ app }: { app: App }) {
  const name = useCell(app.dialog);
  const close = (): void => void (app.dialog.value = null);
  if (name === null) return null;
  if (name === "keys") return <KeysDialog onClose={close} />;
  if (name === "settings") return <SettingsDialog onClose={close} />;
  return <LazyAccountDialog app={app} name={name} onClose={close} />;
}

/** The viewer of pictures, while one is shown. */
function OpenViewer() {
  const shown = useCell(shownPicture);
  return shown && <LazyViewer shown={shown} />;
}

function LazyViewer({ shown }: { shown: ShownPicture }) {
  const close = (): void => void (shownPicture.value = null);
  const viewer = useLazy(() => import("./viewer.tsx"), words.files.viewerNotLoaded, close);
  return viewer && <viewer.Viewer shown={shown} onClose={close} />;
}

function OpenSession({ app, conversation }: { app: App; conversation: Conversation }) {
  const connection = useCell(conversation.connection);
  const isNew = useCell(conversation.isNew);
  const isEmpty = isNew && !useCell(app.outbox.items).some(({ session }) => session === conversation.id);
  if (connection === "gone")
    return (
      <div class="welcome column">
        <p class="greeting">{words.noLongerThere}</p>
        <OutboxItems app={app} conversation={conversation} />
        <button type="button" class="main" onClick={() => app.startNew()}>{words.newChat}</button>
      </div>
    );
  return (
    <>
      {isEmpty ? <Welcome app={app} /> : <Thread app={app} conversation={conversation} />}
      <footer>
        {connection === "lost" && <p class="connection" role="status">{words.connectionLost}</p>}
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
