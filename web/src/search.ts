// The search through all chats: their titles, their messages and cards. A few results of each chat, so that a long one
// hides no other; more of a chat, and more chats, when asked for.

import { get } from "./api.ts";
import { Cell } from "./cell.ts";
import type { SearchResult, SearchResultPage, Session } from "../../clients/typescript/src/schema.ts";

const PAGE_SIZE = 40;
export const RESULTS_PER_CHAT = 3;
/** The service's own limit for a page. */
export const MAX_PAGE_SIZE = 100;

export interface SearchView {
  readonly query: string;
  /** Sessions whose title has the words. */
  readonly sessions: readonly Session[];
  /** For each session with results, in the order of the list: its results, newest first. */
  readonly groups: readonly (readonly SearchResult[])[];
  /** The sessions all of whose results are shown. */
  readonly complete: ReadonlySet<string>;
  /** The cursor of the next page; null when everything has been searched. */
  readonly next: string | null;
}

export class Search {
  /** Null when there is no search. */
  readonly view = new Cell<SearchView | null>(null);
  #count = 0;

  /** Find chats that contain all words; no words end the search. The result of an earlier search is ignored. */
  async find(query: string): Promise<void> {
    const number = ++this.#count;
    const page = query.trim() === "" ? null : await fetchPage(query, `&per_session=${RESULTS_PER_CHAT}`);
    if (number !== this.#count) return;
    this.view.value = page && {
      query,
      sessions: page.sessions,
      groups: groupBySession(page.data),
      complete: new Set(),
      next: page.next,
    };
  }

  /** Search the chats that come after those searched so far. */
  async goOn(): Promise<void> {
    const view = this.view.value;
    if (view === null || view.next === null) return;
    const before = encodeURIComponent(view.next);
    const page = await fetchPage(view.query, `&per_session=${RESULTS_PER_CHAT}&before=${before}`);
    if (this.view.value !== view) return;
    this.view.value = { ...view, groups: [...view.groups, ...groupBySession(page.data)], next: page.next };
  }

  /** Show all results of one chat. */
  async expand(sessionId: string): Promise<void> {
    const query = this.view.value?.query ?? "";
    const page = await fetchPage(query, `&session=${sessionId}`, MAX_PAGE_SIZE);
    const view = this.view.value;
    if (view?.query !== query) return;
    const groups = view.groups.map((group) => (group[0]?.session_id === sessionId ? page.data : group));
    this.view.value = { ...view, groups, complete: new Set([...view.complete, sessionId]) };
  }
}

const fetchPage = (query: string, more: string, limit = PAGE_SIZE): Promise<SearchResultPage> =>
  get(`search?q=${encodeURIComponent(query)}&limit=${limit}${more}`);

const groupBySession = (results: readonly SearchResult[]): SearchResult[][] => [
  ...Map.groupBy(results, ({ session_id }) => session_id).values(),
];

/** Split a text at the words of a query: every second piece is such a word. */
export function splitAtWords(text: string, query: string): string[] {
  const words = query.split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return [text];
  return text.split(new RegExp(`(${words.map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})`, "giu"));
}
