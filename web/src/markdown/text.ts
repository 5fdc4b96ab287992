// What several rules of Markdown need.

/** Return `text` as HTML that shows it. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Return the start of a later line in the paragraph at the start of `src` that `pattern` (`\n`, …) finds, if any. */
export function findLine(src: string, pattern: RegExp): number | undefined {
  const end = src.search(/\n[ \t]*\n/);
  const index = (end < 0 ? src : src.slice(0, end)).search(pattern);
  return index < 0 ? undefined : index + 1;
}
