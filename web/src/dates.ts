// Times and numbers as the language of the page writes them.

/** Return the languages in which times and numbers are written: that of the page, as the reader's country has it. */
export function locales(): string[] {
  const { lang } = document.documentElement;
  return [...navigator.languages.filter((tag) => tag.startsWith(lang)), lang];
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Return `date` as the page's language writes it. The page may be given another language. */
function format(date: Date, options: Intl.DateTimeFormatOptions): string {
  const key = document.documentElement.lang + JSON.stringify(options);
  const known = formats.get(key) ?? new Intl.DateTimeFormat(locales(), options);
  formats.set(key, known);
  return known.format(date);
}

/** Return a time in full. */
export const formatFully = (time: string): string => format(new Date(time), { dateStyle: "full", timeStyle: "short" });

/** Return the day of a time; with the year if it is another one. */
export function formatDay(time: string): string {
  const date = new Date(time);
  const isThisYear = date.getFullYear() === new Date().getFullYear();
  return format(date, { ...(isThisYear ? {} : { year: "numeric" }), month: "short", day: "numeric" });
}

/** Return a day that the service counts by, `YYYY-MM-DD` in UTC. */
export const formatUtcDay = (day: string): string =>
  format(new Date(day), { timeZone: "UTC", month: "short", day: "numeric" });

/** Return a time of today as hours and minutes, and one of another day with the day. */
export function formatBriefly(time: string): string {
  const date = new Date(time);
  const clock = format(date, { timeStyle: "short" });
  return date.toDateString() === new Date().toDateString() ? clock : `${formatDay(time)}, ${clock}`;
}
