import { useEffect, useState } from "preact/hooks";
import type { Limits, Me, UsagePage, UsageSum } from "../../../../clients/typescript/src/schema.ts";
import { get } from "../../api.ts";
import { formatUtcDay, locales } from "../../dates.ts";
import { formatCost } from "../../money.ts";
import { words } from "../../words.ts";
import { Dialog } from "../dialog.tsx";
import { useAttempt } from "./attempt.tsx";

type LimitName = keyof Limits;
type Loaded = readonly [Me, UsagePage, UsagePage];

/** The user's usage in the last 30 days, by day and by model, and their limits. */
export function UsageDialog({ onClose }: { onClose: () => void }) {
  const { ownUsage: texts } = words.account;
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [attempt, failure] = useAttempt();
  useEffect(() => {
    attempt(texts.loadingFailed, async () => {
      const pages = (["day", "model"] as const).map((by) => get<UsagePage>(`me/usage?by=${by}`));
      const [me, byDay, byModel] = await Promise.all([get<Me>("me"), ...pages]);
      setLoaded([me, byDay!, byModel!]);
    });
  }, []);
  return (
    <Dialog title={words.account.usage} onClose={onClose}>
      {failure}
      {loaded && <Usage loaded={loaded} />}
    </Dialog>
  );
}

function Usage({ loaded }: { loaded: Loaded }) {
  const { ownUsage: texts } = words.account;
  const [me, byDay, byModel] = loaded;
  const unpriced = byModel.data.reduce((sum, row) => sum + row.unpriced_calls, 0);
  return (
    <>
      <LimitsView me={me} currency={byDay.currency} />
      {byDay.data.length === 0 && <p class="soft">{texts.nothing}</p>}
      {byDay.data.length > 0 && (
        <>
          <UsageTable title={texts.byDay} head={texts.day} page={byDay} nameOf={formatUtcDay} isNewestFirst />
          <UsageTable title={texts.byModel} head={words.model} page={byModel} nameOf={(name) => name} />
          <p class="soft">{texts.days}</p>
        </>
      )}
      {unpriced > 0 && <p class="soft">{texts.unpriced(formatNumber(unpriced))}</p>}
    </>
  );
}

/** The limits that hold, and what is used of each. */
function LimitsView({ me, currency }: { me: Me; currency: string }) {
  const { ownUsage: texts } = words.account;
  const names = (Object.keys(texts.limits) as LimitName[]).filter((name) => me.limits[name] !== null);
  if (names.length === 0) return <p class="soft">{texts.noLimits}</p>;
  const show = (name: LimitName, amount: number): string =>
    name === "cost_day" ? formatCost(amount, currency) : formatNumber(amount);
  return (
    <dl class="limits">
      {names.map((name) => {
        const [limit, used] = [me.limits[name]!, me.used[name] ?? 0];
        return (
          <div key={name}>
            <dt>{texts.limits[name]}</dt>
            <dd>{texts.usedOf(show(name, used), show(name, limit))}</dd>
            <dd><Bar share={used / Math.max(limit, 1)} /></dd>
          </div>
        );
      })}
    </dl>
  );
}

interface TableProps {
  readonly title: string;
  /** The head of the first column. */
  readonly head: string;
  readonly page: UsagePage;
  /** Returns what a row is called. */
  readonly nameOf: (key: string) => string;
  readonly isNewestFirst?: boolean;
}

/** A row for each day or model, with a bar for its tokens beside the largest one's. */
function UsageTable({ title, head, page, nameOf, isNewestFirst = false }: TableProps) {
  const { ownUsage: texts } = words.account;
  const rows = isNewestFirst ? page.data.toReversed() : page.data;
  const most = Math.max(...rows.map(tokensOf), 1);
  return (
    <div class="wide" role="region" aria-label={title} tabIndex={0}>
      <table class="usage">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">{head}</th>
            <th scope="col">{texts.answers}</th>
            <th scope="col">{texts.tokens}</th>
            <th scope="col">{texts.cost}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row" dir="auto">{nameOf(row.key)}</th>
              <td>{formatNumber(row.runs)}</td>
              <td>
                {formatNumber(tokensOf(row))}
                <Bar share={tokensOf(row) / most} />
              </td>
              <td>{row.cost === 0 && row.unpriced_calls > 0 ? texts.unknown : formatCost(row.cost, page.currency)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A bar that is full to a share, 0 to 1. The number stands beside it. */
const Bar = ({ share }: { share: number }) => (
  <svg class="share" viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
    <rect width={Math.min(share, 1)} height="1" />
  </svg>
);

const tokensOf = ({ input_tokens, output_tokens }: UsageSum): number => input_tokens + output_tokens;

const formatNumber = (number: number): string => new Intl.NumberFormat(locales()).format(number);
