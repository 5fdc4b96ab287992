import { locales } from "./dates.ts";

const NANO = 1e-9;
/** Smaller amounts get more decimal places than the currency has: most answers cost a fraction of a cent. */
const SMALL_AMOUNT = 0.1;

/** Return a cost, given in 10⁻⁹ of the currency. A small one has two digits that count. */
export function formatCost(cost: number, currency: string): string {
  const amount = cost * NANO;
  const digits = amount > 0 && amount < SMALL_AMOUNT ? { maximumSignificantDigits: 2 } : {};
  return new Intl.NumberFormat(locales(), { style: "currency", currency, ...digits }).format(amount);
}
