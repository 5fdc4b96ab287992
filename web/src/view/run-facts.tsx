import type { Cell } from "../cell.ts";
import { useCell } from "../cell.ts";
import type { Run } from "../schema.ts";

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const NUMBER = new Intl.NumberFormat();

/** Who made an answer, and when, and how many tokens it took. Empty until the run is fetched. */
export function RunFacts({ run }: { run: Cell<Run | null> }) {
  const known = useCell(run);
  if (known === null) return <p class="facts soft">…</p>;
  const { model, usage, created_at, started_at, finished_at } = known;
  const seconds = finished_at && started_at ? (Date.parse(finished_at) - Date.parse(started_at)) / 1000 : null;
  const tokens = `${NUMBER.format(usage.input_tokens)} + ${NUMBER.format(usage.output_tokens)} tokens`;
  return (
    <p class="facts soft">
      <span>{model}</span> · <time dateTime={created_at}>{TIME.format(new Date(created_at))}</time>
      {seconds !== null && ` · ${NUMBER.format(Math.round(seconds * 10) / 10)} s`}
      {` · ${usage.estimated ? "about " : ""}${tokens}`}
    </p>
  );
}
