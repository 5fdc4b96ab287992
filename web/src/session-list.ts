// The list of sessions, newest first.
//
// It is read again when the service or another tab says that it may have changed. A hidden tab does not read it.

import { changeSession, get, request } from "./api.ts";
import { Cell } from "./cell.ts";
import { followSessions } from "./feed.ts";
import { notify, reportFailure } from "./notice.ts";
import type { Session, SessionPage } from "../../clients/typescript/src/schema.ts";
import { MAX_PAGE_SIZE, Search } from "./search.ts";
import { words } from "./words.ts";

const PAGE_SIZE = 40;
/** A deletion can be undone for this time. Only then it is sent. */
const UNDO_MS = 8_000;
/** Requests to refresh within this time are one. */
const REFRESH_DELAY_MS = 150;

export class SessionList {
  readonly sessions = new Cell<readonly Session[]>([]);
  /** True if there are no older sessions to load. */
  readonly isComplete = new Cell(false);
  readonly search = new Search();
  /** Any message means that the list may have changed. The name is older than the word "session list". */
  readonly #otherTabs = new BroadcastChannel("chatkeep.library");
  /** Ids of sessions that are deleted when the time to undo is over. They are not shown. */
  readonly #pendingDeletions = new Set<string>();
  #nextCursor: string | null = null;
  #refreshTimer = 0;

  constructor() {
    this.#otherTabs.onmessage = () => this.#scheduleRefresh();
    document.addEventListener("visibilitychange", () => (document.hidden ? undefined : this.#scheduleRefresh()));
    addEventListener("pagehide", () => this.#pendingDeletions.forEach((id) => void deleteOnLeave(id)));
    void this.#refresh();
    followSessions(() => this.refreshAllTabs()).catch((error: Error) => console.info("no feed:", error.message));
  }

  /** Refresh the list in all tabs, because something may have changed. */
  refreshAllTabs(): void {
    this.#otherTabs.postMessage(null);
    this.#scheduleRefresh();
  }

  /** Load the next page of older sessions. */
  async loadMore(): Promise<void> {
    if (this.#nextCursor === null) return;
    const page = await get<SessionPage>(`sessions?limit=${PAGE_SIZE}&before=${encodeURIComponent(this.#nextCursor)}`);
    this.#show([...this.sessions.value, ...page.data], page.next);
  }

  async rename(id: string, title: string): Promise<void> {
    const renamed = await changeSession(id, { title });
    this.sessions.value = this.sessions.value.map((session) => (session.id === id ? renamed : session));
    this.refreshAllTabs();
  }

  /** Hide sessions now, and delete them when their notice closes, unless the user undoes it: then call `onUndo`. */
  remove(sessions: readonly Session[], onUndo: () => void): void {
    const ids = sessions.map(({ id }) => id);
    ids.forEach((id) => this.#pendingDeletions.add(id));
    this.#show(this.sessions.value, this.#nextCursor);
    const undo = (): void => {
      ids.forEach((id) => this.#pendingDeletions.delete(id));
      this.#scheduleRefresh();
      onUndo();
    };
    const [first] = sessions;
    const text = sessions.length > 1 ? words.deletedMany(sessions.length) : words.deleted(first?.title ?? words.untitled);
    notify(text, { label: words.undo, onClick: undo }, UNDO_MS, () => void this.#delete(ids));
  }

  /** Delete those of the sessions that are still to go. */
  async #delete(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      if (!this.#pendingDeletions.has(id)) continue;
      await request("DELETE", `sessions/${id}`).catch(reportFailure(words.deletionFailed));
      this.#pendingDeletions.delete(id);
    }
    this.refreshAllTabs();
  }

  #scheduleRefresh(): void {
    clearTimeout(this.#refreshTimer);
    if (document.hidden) return; // the list is refreshed when the tab is shown again
    this.#refreshTimer = setTimeout(() => void this.#refresh(), REFRESH_DELAY_MS) as unknown as number;
  }

  async #refresh(): Promise<void> {
    const count = this.isComplete.value ? Infinity : Math.max(PAGE_SIZE, this.sessions.value.length);
    const listing = await listSessions(count).catch((error: Error) => error);
    if (listing instanceof Error) console.info("the list of sessions could not be read:", listing.message);
    else if (this.sessions.value.length > count) await this.#refresh(); // more were loaded meanwhile
    else this.#show(listing.data, listing.next);
  }

  /** Pages may overlap when sessions move up in between, so each session is listed once. */
  #show(sessions: readonly Session[], nextCursor: string | null): void {
    this.#nextCursor = nextCursor;
    this.isComplete.value = nextCursor === null;
    const byId = new Map(sessions.map((session) => [session.id, session]));
    this.sessions.value = [...byId.values()].filter((session) => !this.#pendingDeletions.has(session.id));
  }
}

/** Return the newest `count` sessions, in as many pages as it takes. */
async function listSessions(count: number): Promise<SessionPage> {
  const data: Session[] = [];
  for (let before = ""; ; ) {
    const limit = Math.min(count - data.length, MAX_PAGE_SIZE);
    const page = await get<SessionPage>(`sessions?limit=${limit}${before}`);
    data.push(...page.data);
    if (page.next === null || data.length >= count) return { data, next: page.next };
    before = `&before=${encodeURIComponent(page.next)}`;
  }
}

/** Delete a session while the page is being left: `keepalive` lets the request outlive the page. */
const deleteOnLeave = (id: string): Promise<Response> =>
  fetch(`api/sessions/${id}`, { method: "DELETE", keepalive: true });
