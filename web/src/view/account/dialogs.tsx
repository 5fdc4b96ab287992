import "../../style/account.css";
import type { AccountDialogName, App } from "../../app.ts";
import { AccountView } from "./account.tsx";
import { SignOutDialog } from "./sign-out.tsx";
import { TokensDialog } from "./tokens.tsx";
import { UsageDialog } from "./usage.tsx";

interface Props {
  readonly app: App;
  readonly name: AccountDialogName;
  readonly onClose: () => void;
}

/** The dialog of the account that has this name. */
export function AccountDialog({ app, name, onClose }: Props) {
  if (name === "tokens") return <TokensDialog onClose={onClose} />;
  if (name === "usage") return <UsageDialog onClose={onClose} />;
  if (name === "sign-out") return <SignOutDialog app={app} onClose={onClose} />;
  return <AccountView user={app.user!} onClose={onClose} />;
}
