// The list of sessions, newest first. There is no feed for it: it is asked for again when something may have changed,
// and every few seconds while something in it is under way.

import { ask, changeSession, get } from "./api.ts";
import { Cell } from "./cell.ts";
import type { Found, FoundPage, Session, SessionPage } from "./schema.ts";
import { notify } from "./notice.ts";

const PAGE = 40;
const UNDO = 8_000;
/** Milliseconds between two looks while an answer is being made. */
const BETWEEN = 3_000;
/** How many looks a title is worth that comes after the answer, or never: not when the first answer failed. */
const LOOKS = 5;

export class Library {
  readonly sessions = new Cell<readonly Session[]>([]);
  readonly isWhole = new Cell(false);
  /** What was searched for, and what was found; null: nothing is searched for. */
  readonly found = new Cell<readonly Found[] | null>(null);
  readonly #other = new BroadcastChannel("chatkeep.library");
  readonly #leaving = new Set<string>();
  #next: string | null = null;
  #due = 0;
  #looks = LOOKS;
  #searches = 0;

  constructor() {
    this.#other.onmessage = () => this.#refreshSoon();
    document.addEventListener("visibilitychange", () => (document.hidden ? undefined : this.#refreshSoon()));
    addEventListener("pagehide", () => this.#leaving.forEach((id) => void remove(id, true)));
    void this.#refresh();
  }

  /** Something may have changed: look, and let other tabs look. */
  changed(): void {
    this.#other.postMessage(null);
    this.#refreshSoon();
  }

  async more(): Promise<void> {
    if (this.#next === null) return;
    const page = await get<SessionPage>(`sessions?limit=${PAGE}&before=${encodeURIComponent(this.#next)}`);
    this.#show([...this.sessions.value, ...page.data], page.next);
  }

  /** Search all messages for all of the words. Of several searches under way, the last one counts. */
  async search(words: string): Promise<void> {
    const search = ++this.#searches;
    const isAny = words.trim() !== "";
    const page = isAny ? await get<FoundPage>(`search?limit=${PAGE}&q=${encodeURIComponent(words)}`) : null;
    if (search === this.#searches) this.found.value = page?.data ?? null;
  }

  async rename(id: string, title: string): Promise<void> {
    const changed = await changeSession(id, { title });
    this.sessions.value = this.sessions.value.map((session) => (session.id === id ? changed : session));
    this.changed();
  }

  /** Delete a session, unless the user takes it back within some seconds. */
  remove(session: Session, restored: () => void): void {
    this.#leaving.add(session.id);
    this.#show(this.sessions.value, this.#next);
    const undo = (): void => {
      this.#leaving.delete(session.id);
      this.#refreshSoon();
      restored();
    };
    const end = async (): Promise<void> => {
      if (!this.#leaving.has(session.id)) return;
      await remove(session.id, false).catch((error: Error) => notify(`It could not be deleted: ${error.message}`));
      this.#leaving.delete(session.id);
      this.changed();
    };
    notify(`Deleted “${session.title ?? "New chat"}”`, { label: "Undo", run: undo }, UNDO, () => void end());
  }

  #refreshSoon(wait = 150): void {
    clearTimeout(this.#due);
    if (document.hidden) return; // it looks when it is seen again
    this.#due = setTimeout(() => void this.#refresh(), wait) as unknown as number;
  }

  async #refresh(): Promise<void> {
    const limit = Math.min(Math.max(PAGE, this.sessions.value.length), 100);
    const page = await get<SessionPage>(`sessions?limit=${limit}`).catch((error: Error) => error);
    if (page instanceof Error) console.info("the list of sessions could not be read:", page.message);
    else this.#show(page.data, page.next);
    this.#watch();
  }

  /** Nobody tells of an answer that is made in a session which is not open. */
  #watch(): void {
    const isBusy = this.sessions.value.some(({ status }) => status !== "idle");
    this.#looks = isBusy ? LOOKS : this.#looks - 1;
    const isUntitled = this.#looks > 0 && this.sessions.value.some(({ title }) => title === null);
    if (isBusy || isUntitled) this.#refreshSoon(BETWEEN);
  }

  #show(sessions: readonly Session[], next: string | null): void {
    this.#next = next;
    this.isWhole.value = next === null;
    const once = new Map(sessions.map((session) => [session.id, session]));
    this.sessions.value = [...once.values()].filter((session) => !this.#leaving.has(session.id));
  }
}

const remove = (id: string, isLeaving: boolean): Promise<unknown> =>
  isLeaving ? fetch(`api/sessions/${id}`, { method: "DELETE", keepalive: true }) : ask("DELETE", `sessions/${id}`);
