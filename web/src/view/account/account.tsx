import { useState } from "preact/hooks";
import { request } from "../../api.ts";
import { formatFully } from "../../dates.ts";
import type { DeletionReceipt, Me } from "../../../../clients/typescript/src/schema.ts";
import { leave } from "../../sign-in.ts";
import { words } from "../../words.ts";
import { CopyButton } from "../copy-button.tsx";
import { Dialog } from "../dialog.tsx";
import { useAttempt } from "./attempt.tsx";

/** Who the user is to the service, and the end of everything of theirs. */
export function AccountView({ user, onClose }: { user: Me; onClose: () => void }) {
  const { account } = words;
  return (
    <Dialog title={account.title} onClose={onClose}>
      <dl class="who">
        <div><dt>{account.name}</dt><dd dir="auto">{user.name ?? account.noName}</dd></div>
        <div><dt>{account.role}</dt><dd>{account.roles[user.role]}</dd></div>
        <div><dt>{account.way}</dt><dd>{account.ways[user.way]}</dd></div>
        {user.expires_at && <div><dt>{account.until}</dt><dd>{formatFully(user.expires_at)}</dd></div>}
        <div><dt>{account.id}</dt><dd class="id"><code>{user.id}</code><CopyButton getText={() => user.id} /></dd></div>
      </dl>
      {user.way === "proxy" && <p class="soft">{account.signOutElsewhere}</p>}
      <DeleteEverything user={user} />
    </Dialog>
  );
}

/** Deletes the user. They type a few words first, so that no slip of the hand does it. */
function DeleteEverything({ user }: { user: Me }) {
  const { deletion } = words.account;
  const [typed, setTyped] = useState("");
  const [attempt, failure, isBusy] = useAttempt();
  const isConfirmed = typed.trim().toLowerCase() === deletion.confirmation.toLowerCase();
  const deleteAll = (event: Event): void => {
    event.preventDefault();
    if (!isConfirmed || isBusy) return;
    attempt(deletion.failed, () => leave(user.way, () => request<DeletionReceipt>("DELETE", "me")));
  };
  return (
    <form class="danger" onSubmit={deleteAll}>
      <h3>{deletion.title}</h3>
      <p>{deletion.warning}</p>
      <label>
        <span>{deletion.type(deletion.confirmation)}</span>
        <input type="text" autocomplete="off" autocapitalize="off" spellcheck={false} value={typed}
          onInput={({ currentTarget }) => setTyped(currentTarget.value)} />
      </label>
      {failure}
      <button type="submit" class="warn" disabled={!isConfirmed || isBusy}>
        {isBusy ? deletion.isRunning : deletion.button}
      </button>
    </form>
  );
}
