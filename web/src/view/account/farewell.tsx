import "../../style/account.css";
import type { DeletionReceipt } from "../../../../clients/typescript/src/schema.ts";
import { comeBack, type Farewell } from "../../sign-in.ts";
import { words } from "../../words.ts";

/** The page of a user who has left: what was deleted, and the way back. */
export function FarewellPage({ farewell }: { farewell: Farewell }) {
  const { account } = words;
  const { receipt, way } = farewell;
  return (
    <main class="farewell">
      <h1>{receipt ? account.deletion.done : words.signedOut}</h1>
      {receipt ? <Receipt receipt={receipt} /> : <p class="soft">{account.forgotten}</p>}
      <button type="button" class="main" onClick={() => comeBack(farewell)}>
        {way === "oidc" ? words.signIn : account.deletion.beginAnew}
      </button>
    </main>
  );
}

function Receipt({ receipt }: { receipt: DeletionReceipt }) {
  const { counts } = words.account.deletion;
  const names = Object.keys(counts) as (keyof typeof counts)[];
  return <ul>{names.map((name) => <li key={name}>{counts[name](receipt[name])}</li>)}</ul>;
}
