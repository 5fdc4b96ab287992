import { useState } from "preact/hooks";
import type { App } from "../app.ts";
import type { Cell } from "../cell.ts";
import { useCell } from "../cell.ts";
import { formatFully, locales } from "../dates.ts";
import type { Run } from "../../../clients/typescript/src/schema.ts";
import { formatCost } from "../money.ts";
import { words } from "../words.ts";
import { PromptDialog } from "./prompt-dialog.tsx";

/** Who made an answer, when, with how many tokens, for how much; and the way to its prompt. Empty until it is known. */
export function RunFacts({ app, run }: { app: App; run: Cell<Run | null> }) {
  const known = useCell(run);
  const models = useCell(app.models);
  const [hasPrompt, setPrompt] = useState(false);
  if (known === null) return <p class="facts soft">…</p>;
  const number = new Intl.NumberFormat(locales());
  const { model, usage, created_at, started_at, finished_at } = known;
  const seconds = finished_at && started_at ? (Date.parse(finished_at) - Date.parse(started_at)) / 1000 : null;
  const cached = usage.cached_input_tokens ? ` (${words.cached(number.format(usage.cached_input_tokens))})` : "";
  const input = `${number.format(usage.input_tokens)}${cached}`;
  const currency = models.find(({ price }) => price !== null)?.price?.currency;
  return (
    <div class="facts soft">
      <span>{model}</span> · <time dateTime={created_at}>{formatFully(created_at)}</time>
      {seconds !== null && ` · ${words.seconds(number.format(Math.round(seconds * 10) / 10))}`}
      {` · ${words.tokens(input, number.format(usage.output_tokens), usage.estimated)}`}
      {usage.cost !== null && currency && ` · ${formatCost(usage.cost, currency)}`}
      <button type="button" class="quiet" onClick={() => setPrompt(true)}>{words.showPrompt}</button>
      {hasPrompt && <PromptDialog runId={known.id} onClose={() => setPrompt(false)} />}
    </div>
  );
}
