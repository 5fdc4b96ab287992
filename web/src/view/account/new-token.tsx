import { useEffect, useRef, useState } from "preact/hooks";
import { request } from "../../api.ts";
import type { NewTokenRequest, NewTokenView, Token } from "../../../../clients/typescript/src/schema.ts";
import { words } from "../../words.ts";
import { CopyButton } from "../copy-button.tsx";
import { useAttempt } from "./attempt.tsx";

/** The service's own limit. */
const MAX_NAME_CHARS = 100;
const SCOPES = ["chat", "read", "metrics"] as const;
/** The lives that a token can have here, in days; 0: without an end. */
const DAYS = [7, 30, 90, 365, 0] as const;
const DEFAULT_DAYS = 90;

/** Makes a token, then shows its secret in place of the form, until the user has put it away. */
export function NewToken({ onMade }: { onMade: (token: Token) => void }) {
  const [made, setMade] = useState<NewTokenView | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const wasMade = useRef(false);
  useEffect(() => {
    if (wasMade.current && made === null) form.current?.querySelector("input")?.focus();
    wasMade.current = made !== null;
  }, [made]);
  const [attempt, failure, isBusy] = useAttempt();
  if (made !== null) return <Secret made={made} onDone={() => setMade(null)} />;
  const { ownTokens: texts } = words.account;
  const make = (event: Event): void => {
    event.preventDefault();
    const fields = new FormData(form.current!);
    const [name, scope, days] = ["name", "scope", "days"].map((field) => String(fields.get(field)).trim());
    if (!name || isBusy) return;
    attempt(texts.makingFailed, async () => {
      const wish = { name, scope: scope as NewTokenRequest["scope"], days: Number(days) || null };
      const answer = await request<NewTokenView>("POST", "tokens", wish);
      setMade(answer);
      onMade(answer.token);
    });
  };
  return (
    <form ref={form} class="new-token" onSubmit={make}>
      <label>
        <span>{texts.name}</span>
        <input type="text" name="name" required maxLength={MAX_NAME_CHARS} autocomplete="off" dir="auto"
          placeholder={texts.nameExample} />
      </label>
      <label>
        <span>{texts.scope}</span>
        <select name="scope">
          {SCOPES.map((scope) => <option key={scope} value={scope}>{texts.scopes[scope]}</option>)}
        </select>
      </label>
      <label>
        <span>{texts.life}</span>
        <select name="days">
          {DAYS.map((days) => (
            <option key={days} value={days} selected={days === DEFAULT_DAYS}>{texts.days(days)}</option>
          ))}
        </select>
      </label>
      {failure}
      <button type="submit" class="main" disabled={isBusy}>{texts.make}</button>
    </form>
  );
}

/** The secret of a new token, which the service shows this once. */
function Secret({ made, onDone }: { made: NewTokenView; onDone: () => void }) {
  const { ownTokens: texts } = words.account;
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current!.focus();
    field.current!.select();
  }, []);
  return (
    <section class="secret" aria-label={texts.secretOf(made.token.name)}>
      <p role="status"><strong>{texts.copyNow}</strong> {texts.shownOnce}</p>
      <div class="secret-line">
        <input ref={field} type="text" readOnly value={made.text} aria-label={texts.secretOf(made.token.name)} />
        <CopyButton getText={() => made.text} />
      </div>
      <button type="button" onClick={onDone}>{texts.putAway}</button>
    </section>
  );
}
