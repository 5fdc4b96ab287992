import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type App, UNTITLED } from "../app.ts";
import { useCell } from "../cell.ts";
import { isEnter } from "../keys.ts";
import { reportFailure } from "../notice.ts";
import type { SearchResult, Session } from "../schema.ts";
import { focusNextRow, refocus } from "./focus.ts";
import { Icon, IconButton } from "./icons.tsx";

const SEARCH_DELAY_MS = 200;
/** The service's own limit. */
const MAX_TITLE_CHARS = 200;

/** All sessions, newest first, and the search. `onLeave` closes the list where it covers the page. */
export function Sidebar({ app, onLeave }: { app: App; onLeave: () => void }) {
  const results = useCell(app.sessionList.searchResults);
  const startNew = (): void => {
    app.startNew();
    onLeave();
  };
  const search = (words: string): void =>
    void app.sessionList.search(words).catch(reportFailure("Could not search"));
  return (
    <>
      <header>
        <span class="brand">chatkeep</span>
        <IconButton name="close" label="Close the list" onClick={onLeave} />
      </header>
      <button type="button" class="new-chat" onClick={startNew}><Icon name="plus" /> New chat</button>
      <SearchField onSearch={search} />
      <div class="list">
        {results ? <SearchResults results={results} onLeave={onLeave} /> : <Sessions app={app} onLeave={onLeave} />}
      </div>
    </>
  );
}

/** Calls `onSearch` once the user pauses. */
function SearchField({ onSearch }: { onSearch: (words: string) => void }) {
  const timer = useRef(0);
  const onInput = ({ currentTarget }: preact.TargetedEvent<HTMLInputElement>): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(currentTarget.value), SEARCH_DELAY_MS) as unknown as number;
  };
  return (
    <input class="search" type="search" aria-label="Search all chats" placeholder="Search" dir="auto"
      onInput={onInput} />
  );
}

function SearchResults({ results, onLeave }: { results: readonly SearchResult[]; onLeave: () => void }) {
  return (
    <section aria-label="Search results">
      <h2 aria-live="polite">{results.length === 0 ? "Nothing found" : `${results.length} found`}</h2>
      <ul>
        {results.map(({ session_id, session_title, message_id, snippet }) => (
          <li key={message_id}>
            <a class="search-result" href={`#${session_id}/${message_id}`} onClick={onLeave}>
              <span dir="auto">{session_title ?? UNTITLED}</span>
              <span class="soft" dir="auto">{snippet}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sessions({ app, onLeave }: { app: App; onLeave: () => void }) {
  const sessions = useCell(app.sessionList.sessions);
  const isComplete = useCell(app.sessionList.isComplete);
  const { id } = useCell(app.conversation);
  const loadMore = (): void => void app.sessionList.loadMore().catch(reportFailure("Could not load more"));
  return (
    <>
      {groupByAge(sessions).map(([name, members]) => (
        <section key={name}>
          <h2>{name}</h2>
          <ul>
            {members.map((session) => (
              <SessionRow key={session.id} app={app} session={session} isOpen={session.id === id} onLeave={onLeave} />
            ))}
          </ul>
        </section>
      ))}
      {!isComplete && <button type="button" class="quiet" onClick={loadMore}>Show more</button>}
    </>
  );
}

interface RowProps {
  readonly app: App;
  readonly session: Session;
  readonly isOpen: boolean;
  readonly onLeave: () => void;
}

function SessionRow({ app, session, isOpen, onLeave }: RowProps) {
  const [isEditing, setEditing] = useState(false);
  const link = useRef<HTMLAnchorElement>(null);
  const title = session.title ?? UNTITLED;
  useLayoutEffect(() => (isEditing ? () => refocus(link.current) : undefined), [isEditing]);
  const rename = (text: string): void => {
    setEditing(false);
    const newTitle = text.trim().slice(0, MAX_TITLE_CHARS);
    if (newTitle !== "" && text !== session.title)
      app.sessionList.rename(session.id, newTitle).catch(reportFailure("Could not rename"));
  };
  const remove = (): void => {
    if (isOpen) app.startNew();
    else focusNextRow(link.current);
    app.sessionList.remove(session, () => (isOpen ? (location.hash = session.id) : undefined));
  };
  if (isEditing) return <li><TitleField title={session.title ?? ""} onDone={rename} /></li>;
  return (
    <li class={isOpen ? "open" : ""}>
      <a ref={link} href={`#${session.id}`} dir="auto" title={title} aria-current={isOpen ? "page" : undefined}
        onClick={onLeave}>
        {title}
        {session.status !== "idle" && <span class="busy"><span class="visually-hidden">, answering</span></span>}
      </a>
      <IconButton name="pencil" label={`Rename ${title}`} onClick={() => setEditing(true)} />
      <IconButton name="bin" label={`Delete ${title}`} onClick={remove} />
    </li>
  );
}

/** Enter and leaving the field accept the text; Escape restores the old title. */
function TitleField({ title, onDone }: { title: string; onDone: (text: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const onKeyDown = (event: preact.TargetedKeyboardEvent<HTMLInputElement>): void => {
    if (!isEnter(event) && event.key !== "Escape") return;
    if (event.key === "Escape") event.currentTarget.value = title;
    event.currentTarget.blur();
  };
  return (
    <input ref={field} aria-label="Title" dir="auto" maxLength={MAX_TITLE_CHARS} defaultValue={title}
      onKeyDown={onKeyDown} onBlur={({ currentTarget }) => onDone(currentTarget.value)} />
  );
}

const DAY_MS = 86_400_000;

/** Group sessions by the day of their last use. Groups and sessions keep their order. */
function groupByAge(sessions: readonly Session[]): [string, Session[]][] {
  const startOfToday = new Date().setHours(0, 0, 0, 0);
  const groupName = ({ updated_at }: Session): string => {
    const ageMs = startOfToday - Date.parse(updated_at);
    return ageMs < 0 ? "Today" : ageMs < DAY_MS ? "Yesterday" : ageMs < 7 * DAY_MS ? "Last seven days" : "Earlier";
  };
  return [...Map.groupBy(sessions, groupName)];
}
