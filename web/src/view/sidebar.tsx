import { useEffect, useRef } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import { hasKeyboard, isTyped } from "../keys.ts";
import { reportFailure } from "../notice.ts";
import { words } from "../words.ts";
import { AccountMenu } from "./account-menu.tsx";
import { Icon, IconButton } from "./icons.tsx";
import { SearchResults } from "./search-results.tsx";
import { SessionRows } from "./session-rows.tsx";

const SEARCH_DELAY_MS = 200;

/** All sessions, newest first, and the search. `onLeave` closes the list where it covers the page. */
export function Sidebar({ app, onLeave }: { app: App; onLeave: () => void }) {
  const { search } = app.sessionList;
  const view = useCell(search.view);
  const startNew = (): void => {
    app.startNew();
    onLeave();
  };
  const find = (query: string): void => void search.find(query).catch(reportFailure(words.searchFailed));
  return (
    <>
      <header>
        <span class="brand">chatkeep</span>
        <IconButton name="close" label={words.closeList} onClick={onLeave} />
      </header>
      <button type="button" class="new-chat" onClick={startNew}><Icon name="plus" /> {words.newChat}</button>
      <SearchField onSearch={find} />
      <div class="list">
        {view ? <SearchResults search={search} view={view} onLeave={onLeave} /> : <SessionRows app={app} onLeave={onLeave} />}
      </div>
      <footer>
        <AccountMenu app={app} />
        <IconButton name="settings" label={words.settings} onClick={() => (app.dialog.value = "settings")} />
        {hasKeyboard() && (
          <IconButton name="keyboard" label={words.shortcuts} onClick={() => (app.dialog.value = "keys")} />
        )}
      </footer>
    </>
  );
}

/** Calls `onSearch` once the user pauses. Escape ends the search. */
function SearchField({ onSearch }: { onSearch: (query: string) => void }) {
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const onInput = ({ currentTarget }: preact.TargetedEvent<HTMLInputElement>): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(currentTarget.value), SEARCH_DELAY_MS) as unknown as number;
  };
  const onKeyDown = (event: preact.TargetedKeyboardEvent<HTMLInputElement>): void => {
    if (event.key !== "Escape" || !isTyped(event) || event.currentTarget.value === "") return;
    event.stopPropagation(); // it closes nothing else
    event.currentTarget.value = "";
    clearTimeout(timer.current);
    onSearch("");
  };
  return (
    <input class="search" type="search" aria-label={words.searchAll} placeholder={words.search} dir="auto"
      aria-keyshortcuts="Control+K" onInput={onInput} onKeyDown={onKeyDown} />
  );
}
