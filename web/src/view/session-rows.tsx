import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import { isTyped } from "../keys.ts";
import { reportFailure } from "../notice.ts";
import type { Session } from "../../../clients/typescript/src/schema.ts";
import { isUnread, seen } from "../seen.ts";
import { words } from "../words.ts";
import { focusNextRow, refocus } from "./focus.ts";
import { Menu } from "./menu.tsx";

/** The service's own limit. */
const MAX_TITLE_CHARS = 200;

/** The sessions by the day of their last use. Several can be selected, to be deleted together. */
export function SessionRows({ app, onLeave }: { app: App; onLeave: () => void }) {
  const sessions = useCell(app.sessionList.sessions);
  const isComplete = useCell(app.sessionList.isComplete);
  const { id } = useCell(app.conversation);
  const [selection, setSelection] = useState<ReadonlySet<string> | null>(null);
  const loadMore = (): void => void app.sessionList.loadMore().catch(reportFailure(words.loadingMoreFailed));
  const toggle = (sessionId: string): void => {
    const others = [...(selection ?? [])].filter((each) => each !== sessionId);
    setSelection(new Set(selection?.has(sessionId) ? others : [...others, sessionId]));
  };
  const selected = sessions.filter((session) => selection?.has(session.id));
  return (
    <>
      {selection && (
        <Selection app={app} selected={selected} onSelectAll={() => setSelection(new Set(sessions.map(({ id }) => id)))}
          onEnd={() => setSelection(null)} />
      )}
      {groupByAge(sessions).map(([name, members]) => (
        <section key={name}>
          <h2>{name}</h2>
          <ul>
            {members.map((session) => (
              <Row key={session.id} app={app} session={session} isOpen={session.id === id} onLeave={onLeave}
                isSelected={selection && selection.has(session.id)} onToggle={() => toggle(session.id)} />
            ))}
          </ul>
        </section>
      ))}
      {!isComplete && <button type="button" class="quiet" onClick={loadMore}>{words.showMore}</button>}
    </>
  );
}

interface SelectionProps {
  readonly app: App;
  readonly selected: readonly Session[];
  readonly onSelectAll: () => void;
  readonly onEnd: () => void;
}

/** The actions for the selected sessions. */
function Selection({ app, selected, onSelectAll, onEnd }: SelectionProps) {
  const remove = (): void => {
    onEnd();
    removeSessions(app, selected);
  };
  return (
    <div class="selection" role="group" aria-label={words.selection}>
      <span aria-live="polite">{words.selected(selected.length)}</span>
      <button type="button" class="quiet" onClick={onSelectAll}>{words.selectAll}</button>
      <button type="button" disabled={selected.length === 0} onClick={remove}>{words.delete}</button>
      <button type="button" class="quiet" onClick={onEnd}>{words.cancel}</button>
    </div>
  );
}

/** Delete sessions; one that is open is left before, and opened again if the user undoes it. */
export function removeSessions(app: App, sessions: readonly Session[]): void {
  const { id } = app.conversation.value;
  const isOpen = sessions.some((session) => session.id === id);
  if (isOpen) app.startNew();
  app.sessionList.remove(sessions, () => (isOpen ? (location.hash = id) : undefined));
}

interface RowProps {
  readonly app: App;
  readonly session: Session;
  readonly isOpen: boolean;
  /** Null while nothing is being selected. */
  readonly isSelected: boolean | null;
  readonly onToggle: () => void;
  readonly onLeave: () => void;
}

function Row({ app, session, isOpen, isSelected, onToggle, onLeave }: RowProps) {
  const [isEditing, setEditing] = useState(false);
  const isNews = isUnread(session, useCell(seen)) && !isOpen;
  const link = useRef<HTMLAnchorElement>(null);
  const title = session.title ?? words.untitled;
  useLayoutEffect(() => (isEditing ? () => refocus(link.current) : undefined), [isEditing]);
  const rename = (text: string): void => {
    setEditing(false);
    const newTitle = text.trim().slice(0, MAX_TITLE_CHARS);
    if (newTitle !== "" && text !== session.title)
      app.sessionList.rename(session.id, newTitle).catch(reportFailure(words.renamingFailed));
  };
  const remove = (): void => {
    if (!isOpen) focusNextRow(link.current);
    removeSessions(app, [session]);
  };
  if (isEditing) return <li><TitleField title={session.title ?? ""} onDone={rename} /></li>;
  if (isSelected !== null)
    return (
      <li>
        <label>
          <input type="checkbox" checked={isSelected} onChange={onToggle} aria-label={words.selectChat(title)} />
          <span dir="auto">{title}</span>
        </label>
      </li>
    );
  return (
    <li class={isOpen ? "open" : ""}>
      <a ref={link} href={`#${session.id}`} dir="auto" title={title} aria-current={isOpen ? "page" : undefined}
        onClick={onLeave}>
        {title}
        {session.status !== "idle" && <Sign name="busy" text={words.answering} />}
        {isNews && <Sign name="unread" text={words.unread} />}
      </a>
      <Menu label={words.optionsFor(title)} items={[
        { label: words.rename, icon: "pencil", onClick: () => setEditing(true) },
        { label: words.select, icon: "check", onClick: onToggle },
        { label: words.delete, icon: "bin", onClick: remove },
      ]} />
    </li>
  );
}

const Sign = ({ name, text }: { name: string; text: string }) => (
  <span class={name}><span class="visually-hidden">{text}</span></span>
);

/** Enter and leaving the field accept the text; Escape restores the old title. */
function TitleField({ title, onDone }: { title: string; onDone: (text: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, []);
  const onKeyDown = (event: preact.TargetedKeyboardEvent<HTMLInputElement>): void => {
    if (!isTyped(event) || (event.key !== "Enter" && event.key !== "Escape")) return;
    if (event.key === "Escape") event.currentTarget.value = title;
    event.currentTarget.blur();
  };
  return (
    <input ref={field} aria-label={words.title} dir="auto" maxLength={MAX_TITLE_CHARS} defaultValue={title}
      onKeyDown={onKeyDown} onBlur={({ currentTarget }) => onDone(currentTarget.value)} />
  );
}

const DAY_MS = 86_400_000;

/** Group sessions by the day of their last use. Groups and sessions keep their order. */
function groupByAge(sessions: readonly Session[]): [string, Session[]][] {
  const startOfToday = new Date().setHours(0, 0, 0, 0);
  const groupName = ({ updated_at }: Session): string => {
    const ageMs = startOfToday - Date.parse(updated_at);
    if (ageMs < 0) return words.today;
    return ageMs < DAY_MS ? words.yesterday : ageMs < 7 * DAY_MS ? words.lastSevenDays : words.earlier;
  };
  return [...Map.groupBy(sessions, groupName)];
}
