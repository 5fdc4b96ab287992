// Times as the reader's language writes them.

const formatOf = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
  new Intl.DateTimeFormat(navigator.languages as string[], options);

const TIME = formatOf({ timeStyle: "short" });
const DAY = formatOf({ month: "short", day: "numeric" });
const DAY_OF_YEAR = formatOf({ year: "numeric", month: "short", day: "numeric" });
const FULL = formatOf({ dateStyle: "full", timeStyle: "short" });

/** Return a time in full. */
export const formatFully = (time: string): string => FULL.format(new Date(time));

/** Return the day of a time; with the year if it is another one. */
export function formatDay(time: string): string {
  const date = new Date(time);
  return (date.getFullYear() === new Date().getFullYear() ? DAY : DAY_OF_YEAR).format(date);
}

/** Return a time of today as hours and minutes, and one of another day with the day. */
export function formatBriefly(time: string): string {
  const date = new Date(time);
  const clock = TIME.format(date);
  return date.toDateString() === new Date().toDateString() ? clock : `${formatDay(time)}, ${clock}`;
}
