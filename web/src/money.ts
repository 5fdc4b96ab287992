import { locales } from "./dates.ts";

const NANO = 1e-9;

/** Return a cost, given in 10⁻⁹ of the currency. Below one it has two digits that count: answers cost little. */
export function formatCost(cost: number, currency: string): string {
  const digits = { maximumSignificantDigits: 2 };
  const amount = cost * NANO;
  return new Intl.NumberFormat(locales(), { style: "currency", currency, ...(amount < 1 ? digits : {}) }).format(amount);
}
