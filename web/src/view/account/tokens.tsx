import { useEffect, useRef, useState } from "preact/hooks";
import { get, request } from "../../api.ts";
import { formatBriefly, formatDay } from "../../dates.ts";
import type { Token, TokenPage } from "../../../../clients/typescript/src/schema.ts";
import { words } from "../../words.ts";
import { Dialog } from "../dialog.tsx";
import { refocus } from "../focus.ts";
import { useAttempt } from "./attempt.tsx";
import { NewToken } from "./new-token.tsx";

/** The user's tokens, newest first: those that count, and those that no longer do. */
export function TokensDialog({ onClose }: { onClose: () => void }) {
  const { ownTokens: texts } = words.account;
  const [tokens, setTokens] = useState<readonly Token[]>([]);
  const [next, setNext] = useState<string | null | undefined>(undefined); // undefined: nothing is loaded yet
  const [attempt, failure, isBusy] = useAttempt();
  const load = (before?: string): void =>
    attempt(texts.loadingFailed, async () => {
      const page = await get<TokenPage>(`tokens?limit=50${before ? `&before=${before}` : ""}`);
      setTokens((known) => [...known, ...page.data]);
      setNext(page.next);
    });
  useEffect(() => load(), []);
  const replace = (token: Token): void =>
    setTokens((known) => known.map((each) => (each.id === token.id ? token : each)));
  return (
    <Dialog title={words.account.tokens} onClose={onClose}>
      <p class="soft">{texts.purpose}</p>
      <NewToken onMade={(token) => setTokens((known) => [token, ...known])} />
      <ul class="tokens" aria-busy={isBusy}>
        {tokens.map((token) => <TokenRow key={token.id} token={token} onRevoked={replace} />)}
      </ul>
      {next === null && tokens.length === 0 && <p class="soft">{texts.none}</p>}
      {failure}
      {next && (
        <button type="button" class="quiet" disabled={isBusy} onClick={() => load(next)}>{words.showMore}</button>
      )}
    </Dialog>
  );
}

function TokenRow({ token, onRevoked }: { token: Token; onRevoked: (token: Token) => void }) {
  const { ownTokens: texts } = words.account;
  const [isAsking, setAsking] = useState(false);
  const [attempt, failure, isBusy] = useAttempt();
  const row = useRef<HTMLLIElement>(null);
  const isOver = token.revoked_at !== null || (token.expires_at !== null && Date.parse(token.expires_at) < Date.now());
  const wasAsking = useRef(false);
  useEffect(() => {
    if (isAsking) row.current!.querySelector<HTMLElement>(".asking button")?.focus();
    else if (wasAsking.current) refocus(row.current!.querySelector<HTMLElement>("button") ?? row.current);
    wasAsking.current = isAsking;
  }, [isAsking]);
  const revoke = (): void =>
    attempt(texts.revokingFailed, async () => {
      await request("DELETE", `tokens/${token.id}`);
      onRevoked({ ...token, revoked_at: new Date().toISOString() });
      setAsking(false);
    });
  return (
    <li ref={row} tabIndex={-1} class={isOver ? "over" : ""}>
      <div class="token">
        <div>
          <strong dir="auto">{token.name}</strong> <span class="scope">{texts.scopes[token.scope]}</span>
          <p class="soft">{describe(token)}</p>
        </div>
        {!isOver && !isAsking && (
          <button type="button" aria-label={texts.revokeThis(token.name)} onClick={() => setAsking(true)}>
            {texts.revoke}
          </button>
        )}
      </div>
      {isAsking && (
        <div class="asking" role="group" aria-label={texts.revokeThis(token.name)}>
          <p>{texts.revokeWarning}</p>
          <div class="buttons">
            <button type="button" class="quiet" onClick={() => setAsking(false)}>{words.cancel}</button>
            <button type="button" class="warn" disabled={isBusy} onClick={revoke}>{texts.revoke}</button>
          </div>
        </div>
      )}
      {failure}
    </li>
  );
}

/** Return when a token was made and used, and when it ends or ended. */
function describe({ created_at, used_at, expires_at, revoked_at }: Token): string {
  const { ownTokens: texts } = words.account;
  const hasExpired = expires_at !== null && Date.parse(expires_at) < Date.now();
  const end =
    revoked_at !== null ? texts.revokedOn(formatDay(revoked_at))
    : expires_at === null ? texts.neverExpires
    : hasExpired ? texts.expiredOn(formatDay(expires_at))
    : texts.expiresOn(formatDay(expires_at));
  const use = used_at === null ? texts.neverUsed : texts.usedOn(formatBriefly(used_at));
  return [texts.madeOn(formatDay(created_at)), use, end].join(" · ");
}
