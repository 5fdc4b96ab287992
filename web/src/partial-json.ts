// Reads a JSON object that is still arriving: the arguments of a tool call while they stream.
//
// First the text is closed as it is: an open string gets its quote, open brackets get their counterparts. If that is
// not valid JSON, for example after a name without a value, the text is cut at the last bracket or comma and closed.

/** Return the fields so far, of which the last may be cut. Null while the text does not begin an object. */
export function parsePartialObject(text: string): Record<string, unknown> | null {
  const { openBrackets, isInString, lastCut } = scan(text);
  const withoutHalfEscape = text.replace(/\\(u[0-9a-f]{0,3})?$/i, "");
  const closed = (isInString ? `${withoutHalfEscape}"` : text) + closeAll(openBrackets);
  return parseObject(closed) ?? (lastCut ? parseObject(text.slice(0, lastCut.length) + lastCut.closing) : null);
}

interface Scan {
  /** The closing brackets of what is open, outermost first. */
  readonly openBrackets: readonly string[];
  readonly isInString: boolean;
  /** The last place where the text can be cut, and the brackets that close it there; null when there is none. */
  readonly lastCut: { readonly length: number; readonly closing: string } | null;
}

function scan(text: string): Scan {
  const openBrackets: string[] = [];
  let isInString = false;
  let lastCut: Scan["lastCut"] = null;
  const cutAt = (length: number): void => void (lastCut = { length, closing: closeAll(openBrackets) });
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (isInString) {
      if (character === "\\") at++;
      else if (character === '"') isInString = false;
    } else if (character === '"') isInString = true;
    else if (character === "{" || character === "[") {
      openBrackets.push(character === "{" ? "}" : "]");
      cutAt(at + 1);
    } else if (character === "}" || character === "]") {
      openBrackets.pop();
      cutAt(at + 1);
    } else if (character === ",") cutAt(at);
  }
  return { openBrackets, isInString, lastCut };
}

const closeAll = (openBrackets: readonly string[]): string => openBrackets.toReversed().join("");

/** Return the object; null if the text is not valid JSON, or JSON of another type. */
function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}
