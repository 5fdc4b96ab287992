import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type App, UNTITLED } from "../app.ts";
import { useCell } from "../cell.ts";
import { saying } from "../notice.ts";
import type { Found, Session } from "../schema.ts";
import { focusNextRow, refocus } from "./focus.ts";
import { Icon, IconButton } from "./icons.tsx";

/** All sessions, newest first. `leave` closes it where it covers the page. */
export function Sidebar({ app, leave }: { app: App; leave: () => void }) {
  const found = useCell(app.library.found);
  const startNew = (): void => {
    app.startNew();
    leave();
  };
  return (
    <>
      <header>
        <span class="brand">chatkeep</span>
        <IconButton name="close" label="Close the list" run={leave} />
      </header>
      <button type="button" class="new" onClick={startNew}><Icon name="plus" /> New chat</button>
      <SearchField search={(words) => void app.library.search(words).catch(saying("Could not search"))} />
      <div class="list">{found === null ? <Sessions app={app} leave={leave} /> : <Results found={found} leave={leave} />}</div>
    </>
  );
}

function SearchField({ search }: { search: (words: string) => void }) {
  const timer = useRef(0);
  const write = ({ currentTarget }: preact.TargetedEvent<HTMLInputElement>): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(currentTarget.value), 200) as unknown as number;
  };
  return <input class="search" type="search" aria-label="Search all chats" placeholder="Search" dir="auto" onInput={write} />;
}

function Results({ found, leave }: { found: readonly Found[]; leave: () => void }) {
  return (
    <section aria-label="Search results">
      <h2 aria-live="polite">{found.length === 0 ? "Nothing found" : `${found.length} found`}</h2>
      <ul>
        {found.map(({ session_id, session_title, message_id, snippet }) => (
          <li key={message_id}>
            <a class="found" href={`#${session_id}/${message_id}`} onClick={leave}>
              <span dir="auto">{session_title ?? UNTITLED}</span>
              <span class="soft" dir="auto">{snippet}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Sessions({ app, leave }: { app: App; leave: () => void }) {
  const sessions = useCell(app.library.sessions);
  const isWhole = useCell(app.library.isWhole);
  const open = useCell(app.open);
  return (
    <>
      {groups(sessions).map(([name, members]) => (
        <section key={name}>
          <h2>{name}</h2>
          <ul>
            {members.map((session) => (
              <Row key={session.id} app={app} session={session} isOpen={session.id === open.id} leave={leave} />
            ))}
          </ul>
        </section>
      ))}
      {!isWhole && (
        <button type="button" class="quiet" onClick={() => void app.library.more().catch(saying("Could not load more"))}>
          Show more
        </button>
      )}
    </>
  );
}

function Row({ app, session, isOpen, leave }: { app: App; session: Session; isOpen: boolean; leave: () => void }) {
  const [isRenamed, setRenamed] = useState(false);
  const link = useRef<HTMLAnchorElement>(null);
  const title = session.title ?? UNTITLED;
  useLayoutEffect(() => (isRenamed ? () => refocus(link.current) : undefined), [isRenamed]);
  const rename = (text: string): void => {
    setRenamed(false);
    if (text.trim() !== "" && text !== session.title)
      app.library.rename(session.id, text.trim().slice(0, 200)).catch(saying("Could not rename"));
  };
  const remove = (): void => {
    if (isOpen) app.startNew();
    else focusNextRow(link.current);
    app.library.remove(session, () => (isOpen ? (location.hash = session.id) : undefined));
  };
  if (isRenamed) return <li><TitleField title={session.title ?? ""} done={rename} /></li>;
  return (
    <li class={isOpen ? "open" : ""}>
      <a ref={link} href={`#${session.id}`} dir="auto" title={title} aria-current={isOpen ? "page" : undefined} onClick={leave}>
        {title}
        {session.status !== "idle" && <span class="busy"><span class="unseen">, answering</span></span>}
      </a>
      <IconButton name="pencil" label={`Rename ${title}`} run={() => setRenamed(true)} />
      <IconButton name="bin" label={`Delete ${title}`} run={remove} />
    </li>
  );
}

function TitleField({ title, done }: { title: string; done: (text: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const press = ({ key, isComposing, currentTarget }: preact.TargetedKeyboardEvent<HTMLInputElement>): void => {
    if (isComposing || (key !== "Enter" && key !== "Escape")) return;
    if (key === "Escape") currentTarget.value = title;
    currentTarget.blur();
  };
  return (
    <input ref={field} aria-label="Title" dir="auto" maxLength={200} defaultValue={title} onKeyDown={press}
      onBlur={({ currentTarget }) => done(currentTarget.value)} />
  );
}

const DAY = 86_400_000;

/** Sessions by how long ago they were used, in the order in which they come. */
function groups(sessions: readonly Session[]): [string, Session[]][] {
  const today = new Date().setHours(0, 0, 0, 0);
  const name = ({ updated_at }: Session): string => {
    const age = today - Date.parse(updated_at);
    return age < 0 ? "Today" : age < DAY ? "Yesterday" : age < 7 * DAY ? "Last seven days" : "Earlier";
  };
  return [...Map.groupBy(sessions, name)];
}
