import { signOut } from "../../api.ts";
import type { App } from "../../app.ts";
import { useCell } from "../../cell.ts";
import { leave } from "../../sign-in.ts";
import { words } from "../../words.ts";
import { Dialog } from "../dialog.tsx";
import { useAttempt } from "./attempt.tsx";

/** Asks before unsent messages are lost. */
export function SignOutDialog({ app, onClose }: { app: App; onClose: () => void }) {
  const { account } = words;
  const [attempt, failure, isBusy] = useAttempt();
  const { length } = useCell(app.outbox.items);
  return (
    <Dialog title={account.signOut} onClose={onClose}>
      <p>{account.unsent(length)}</p>
      {failure}
      <div class="buttons">
        <button type="button" class="quiet" onClick={onClose}>{words.cancel}</button>
        <button type="button" class="main" disabled={isBusy}
          onClick={() => attempt(account.signOutFailed, () => leave("oidc", signOut))}>
          {account.signOut}
        </button>
      </div>
    </Dialog>
  );
}
