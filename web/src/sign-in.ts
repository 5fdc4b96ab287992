// How a browser comes and goes at a service that asks who it is.
//
// When the service no longer knows the browser (401), the page goes to the sign-in and comes back to the same place,
// with its drafts. Not after the user has left by hand: an issuer that still knows them would sign them in again at
// once. So leaving is noted for all tabs of the browser, and each shows the farewell until the user signs in.

import { sweepFiles } from "./files/sweep.ts";
import { notices, notify } from "./notice.ts";
import type { DeletionReceipt, Me } from "../../clients/typescript/src/schema.ts";
import * as storage from "./storage.ts";
import { words } from "./words.ts";

/** How a user left: what was deleted with them, null if they only signed out. */
export interface Farewell {
  readonly way: Me["way"];
  readonly receipt: DeletionReceipt | null;
}

const STORED_AS = "farewell";
/** The id of the user whose drafts and unsent messages this browser has. */
const USER_STORED_AS = "user";
const FAREWELL_QUERY = "?signed-out";
/** A notice that stays until the user acts. */
const A_DAY_MS = 86_400_000;

/** True while this tab waits for the service to let go of the user. What is refused meanwhile leads nowhere. */
let isLeaving = false;

/** True if the service asks who one is. It says so in the page; where it does not, there is no account. */
export const hasSignIn = (): boolean =>
  document.querySelector<HTMLMetaElement>("meta[name=sign-in]")?.content === "on";

/** Return how the user left, if this is the page that says so; null on any other page. */
export function findFarewell(): Farewell | null {
  const stored = location.search === FAREWELL_QUERY ? storage.load(STORED_AS) : null;
  return stored === null ? null : (JSON.parse(stored) as Farewell);
}

/**
 * Sign in again, because the service does not know this browser. `path` is where browsers sign in; without one, the
 * user does it by loading the page: a proxy before the service asks then.
 */
export function signInAgain(path: string | null | undefined): void {
  if (isLeaving) return;
  if (storage.load(STORED_AS) !== null) location.replace(FAREWELL_QUERY);
  else if (path) location.assign(signInAddress(path, location.href));
  else if (!notices.value.some(({ text }) => text === words.signedOut))
    notify(words.signedOut, { label: words.signIn, onClick: () => location.reload() }, A_DAY_MS);
}

/** Return where a browser signs in so that it comes back to `here`, a place of the page. */
function signInAddress(path: string, here: string): string {
  const base = new URL(".", document.baseURI).href;
  return `${path}?return=${encodeURIComponent(`/${here.slice(base.length)}`)}`;
}

/**
 * Leave by hand: `action` signs the user out or deletes them. Then this browser forgets drafts and unsent messages, and
 * all its tabs show the farewell. If it fails, all stays as it was, and the error is thrown.
 */
export async function leave(way: Me["way"], action: () => Promise<DeletionReceipt | undefined>): Promise<void> {
  isLeaving = true;
  try {
    const receipt = (await action()) ?? null;
    forgetUser();
    await sweepFiles();
    storage.save(STORED_AS, JSON.stringify({ way, receipt } satisfies Farewell));
    location.assign(FAREWELL_QUERY);
  } catch (error) {
    isLeaving = false;
    throw error;
  }
}

/** Come back after a farewell. */
export function comeBack({ way }: Farewell): void {
  storage.remove(STORED_AS);
  location.assign(way === "oidc" ? "auth/login?return=/" : "./");
}

/**
 * Note who uses this browser from now on. What another user has left in it is forgotten. When another tab leaves, or
 * another user comes there, this one follows.
 */
export function noteUser({ id }: Me): void {
  const known = storage.load(USER_STORED_AS);
  if (known !== null && known !== id) forgetUser();
  storage.remove(STORED_AS);
  storage.save(USER_STORED_AS, id);
  storage.onChange(STORED_AS, () => (storage.load(STORED_AS) === null ? undefined : location.replace(FAREWELL_QUERY)));
  storage.onChange(USER_STORED_AS, () => (storage.load(USER_STORED_AS) === id ? undefined : location.reload()));
}

/** Remove what this browser keeps of the user's: all but the settings, and who it was. */
function forgetUser(): void {
  const kept = ["settings", USER_STORED_AS];
  storage.listNames("").filter((name) => !kept.includes(name)).forEach(storage.remove);
}
