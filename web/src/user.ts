import { ApiError, get } from "./api.ts";
import { reportFailure } from "./notice.ts";
import type { Me } from "../../clients/typescript/src/schema.ts";
import { hasSignIn, noteUser } from "./sign-in.ts";
import { words } from "./words.ts";

/**
 * Return who uses the page; null where the service does not ask, or cannot tell. Wait for it before anything that this
 * browser keeps is shown or sent: it may be another user's. Never returns if the browser is on its way to the sign-in.
 */
export async function identifyUser(): Promise<Me | null> {
  if (!hasSignIn()) return null;
  try {
    const user = await get<Me>("me");
    noteUser(user);
    return user;
  } catch (error) {
    if (error instanceof ApiError && error.problem?.sign_in) return new Promise(() => undefined);
    if (!(error instanceof ApiError && error.status === 401)) reportFailure(words.account.notKnown)(error); // else: told
    return null;
  }
}
