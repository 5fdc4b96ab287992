import { signOut } from "../api.ts";
import type { AccountDialogName, App } from "../app.ts";
import { reportFailure } from "../notice.ts";
import { leave } from "../sign-in.ts";
import { words } from "../words.ts";
import { useLazy } from "./lazy.ts";
import { Menu, type MenuItem } from "./menu.tsx";

/** The menu of the user's account: their own views, and the way out. Not where the service does not ask who one is. */
export function AccountMenu({ app }: { app: App }) {
  const { user } = app;
  if (user === null) return null;
  const { account } = words;
  const name = user.name ?? account.title;
  const opening = (dialog: AccountDialogName) => () => void (app.dialog.value = dialog);
  const leaveOrAsk = (): void => {
    if (app.outbox.items.value.length > 0) app.dialog.value = "sign-out"; // they would be lost
    else void leave("oidc", signOut).catch(reportFailure(account.signOutFailed));
  };
  const items: MenuItem[] = [
    { label: account.title, icon: "person", onClick: opening("account") },
    { label: account.tokens, icon: "key", onClick: opening("tokens") },
    { label: account.usage, icon: "chart", onClick: opening("usage") },
  ];
  if (user.way === "oidc") items.push({ label: account.signOut, icon: "leave", onClick: leaveOrAsk });
  return <Menu label={account.menuOf(name)} text={name} items={items} />;
}

interface Props {
  readonly app: App;
  readonly name: AccountDialogName;
  readonly onClose: () => void;
}

/** A dialog of the account. All of them are loaded when the first one is opened. */
export function LazyAccountDialog(props: Props) {
  const views = useLazy(() => import("./account/dialogs.tsx"), words.account.notLoaded, props.onClose);
  return views && <views.AccountDialog {...props} />;
}
