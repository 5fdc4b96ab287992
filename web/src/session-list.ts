// The list of sessions, newest first.
//
// The service has no stream for it. So the list is read again when something may have changed here or in another tab,
// and every few seconds while a session is busy or has no title yet. A hidden tab does not read it.

import { changeSession, get, request } from "./api.ts";
import { Cell } from "./cell.ts";
import { notify } from "./notice.ts";
import type { SearchResult, SearchResultPage, Session, SessionPage } from "./schema.ts";

const PAGE_SIZE = 40;
/** The service's own limit for a page. */
const MAX_PAGE_SIZE = 100;
/** A deletion can be undone for this time. Only then it is sent. */
const UNDO_MS = 8_000;
/** Requests to refresh within this time are one. */
const REFRESH_DELAY_MS = 150;
/** Pause between two refreshes while a session is busy. */
const REFRESH_INTERVAL_MS = 3_000;
/** Refreshes in a row that wait for a title only. After a failed first answer there will be none. */
const MAX_TITLE_REFRESHES = 5;

export class SessionList {
  readonly sessions = new Cell<readonly Session[]>([]);
  /** True if there are no older sessions to load. */
  readonly isComplete = new Cell(false);
  /** Null when there is no search. */
  readonly searchResults = new Cell<readonly SearchResult[] | null>(null);
  /** Any message means that the list may have changed. The name is older than the word "session list". */
  readonly #otherTabs = new BroadcastChannel("chatkeep.library");
  /** Ids of sessions that are deleted when the time to undo is over. They are not shown. */
  readonly #pendingDeletions = new Set<string>();
  #nextCursor: string | null = null;
  #refreshTimer = 0;
  #titleRefreshesLeft = MAX_TITLE_REFRESHES;
  #searchCount = 0;

  constructor() {
    this.#otherTabs.onmessage = () => this.#scheduleRefresh();
    document.addEventListener("visibilitychange", () => (document.hidden ? undefined : this.#scheduleRefresh()));
    addEventListener("pagehide", () => this.#pendingDeletions.forEach((id) => void deleteOnLeave(id)));
    void this.#refresh();
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

  /** Find messages that contain all words; no words end the search. The result of an earlier search is ignored. */
  async search(words: string): Promise<void> {
    const number = ++this.#searchCount;
    const hasWords = words.trim() !== "";
    const path = `search?limit=${PAGE_SIZE}&q=${encodeURIComponent(words)}`;
    const page = hasWords ? await get<SearchResultPage>(path) : null;
    if (number === this.#searchCount) this.searchResults.value = page?.data ?? null;
  }

  async rename(id: string, title: string): Promise<void> {
    const renamed = await changeSession(id, { title });
    this.sessions.value = this.sessions.value.map((session) => (session.id === id ? renamed : session));
    this.refreshAllTabs();
  }

  /** Hide a session now, and delete it when its notice closes, unless the user undoes it. `onUndo` is called then. */
  remove(session: Session, onUndo: () => void): void {
    this.#pendingDeletions.add(session.id);
    this.#show(this.sessions.value, this.#nextCursor);
    const undo = (): void => {
      this.#pendingDeletions.delete(session.id);
      this.#scheduleRefresh();
      onUndo();
    };
    const finish = async (): Promise<void> => {
      if (!this.#pendingDeletions.has(session.id)) return;
      const reportError = (error: Error): void => notify(`It could not be deleted: ${error.message}`);
      await request("DELETE", `sessions/${session.id}`).catch(reportError);
      this.#pendingDeletions.delete(session.id);
      this.refreshAllTabs();
    };
    notify(`Deleted “${session.title ?? "New chat"}”`, { label: "Undo", onClick: undo }, UNDO_MS, () => void finish());
  }

  #scheduleRefresh(delayMs = REFRESH_DELAY_MS): void {
    clearTimeout(this.#refreshTimer);
    if (document.hidden) return; // the list is refreshed when the tab is shown again
    this.#refreshTimer = setTimeout(() => void this.#refresh(), delayMs) as unknown as number;
  }

  async #refresh(): Promise<void> {
    const limit = Math.min(Math.max(PAGE_SIZE, this.sessions.value.length), MAX_PAGE_SIZE);
    const page = await get<SessionPage>(`sessions?limit=${limit}`).catch((error: Error) => error);
    if (page instanceof Error) console.info("the list of sessions could not be read:", page.message);
    else this.#show(page.data, page.next);
    this.#refreshWhileBusy();
  }

  /** Only the open session has a stream, so an answer in another session is noticed by refreshing. */
  #refreshWhileBusy(): void {
    const isBusy = this.sessions.value.some(({ status }) => status !== "idle");
    this.#titleRefreshesLeft = isBusy ? MAX_TITLE_REFRESHES : this.#titleRefreshesLeft - 1;
    const hasUntitled = this.sessions.value.some(({ title }) => title === null);
    if (isBusy || (this.#titleRefreshesLeft > 0 && hasUntitled)) this.#scheduleRefresh(REFRESH_INTERVAL_MS);
  }

  /** Pages may overlap when sessions move up in between, so each session is listed once. */
  #show(sessions: readonly Session[], nextCursor: string | null): void {
    this.#nextCursor = nextCursor;
    this.isComplete.value = nextCursor === null;
    const byId = new Map(sessions.map((session) => [session.id, session]));
    this.sessions.value = [...byId.values()].filter((session) => !this.#pendingDeletions.has(session.id));
  }
}

/** Delete a session while the page is being left: `keepalive` lets the request outlive the page. */
const deleteOnLeave = (id: string): Promise<Response> =>
  fetch(`api/sessions/${id}`, { method: "DELETE", keepalive: true });
