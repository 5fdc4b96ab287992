import type { App } from "../app.ts";
import type { Cell } from "../cell.ts";
import { useCell } from "../cell.ts";
import type { Run } from "../schema.ts";

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const NUMBER = new Intl.NumberFormat();
const NANO = 1e-9;

/** Who made an answer, and when, and how many tokens and how much money it took. Empty until the run is fetched. */
export function RunFacts({ app, run }: { app: App; run: Cell<Run | null> }) {
  const known = useCell(run);
  const models = useCell(app.models);
  if (known === null) return <p class="facts soft">…</p>;
  const { model, usage, created_at, started_at, finished_at } = known;
  const seconds = finished_at && started_at ? (Date.parse(finished_at) - Date.parse(started_at)) / 1000 : null;
  const cached = usage.cached_input_tokens ? ` (${NUMBER.format(usage.cached_input_tokens)} cached)` : "";
  const tokens = `${NUMBER.format(usage.input_tokens)}${cached} + ${NUMBER.format(usage.output_tokens)} tokens`;
  const currency = models.find(({ price }) => price !== null)?.price?.currency;
  return (
    <p class="facts soft">
      <span>{model}</span> · <time dateTime={created_at}>{TIME.format(new Date(created_at))}</time>
      {seconds !== null && ` · ${NUMBER.format(Math.round(seconds * 10) / 10)} s`}
      {` · ${usage.estimated ? "about " : ""}${tokens}`}
      {usage.cost !== null && currency && ` · ${formatCost(usage.cost, currency)}`}
    </p>
  );
}

/** A cost with two significant digits: most answers cost a fraction of a cent. */
function formatCost(cost: number, currency: string): string {
  const digits = { maximumSignificantDigits: 2 };
  const amount = cost * NANO;
  return new Intl.NumberFormat(undefined, { style: "currency", currency, ...(amount < 1 ? digits : {}) }).format(amount);
}
