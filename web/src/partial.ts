// Arguments of a function while they stream: as much of a JSON object as can be read already.

/** The fields that have come, the last one perhaps cut; null while there are none. */
export function readPartial(text: string): Record<string, unknown> | null {
  const { open, inString, lastWhole } = scan(text);
  const closing = open.toReversed().join("");
  const candidate = inString ? `${text.replace(/\\(u[0-9a-f]{0,3})?$/i, "")}"` : text;
  return parse(candidate + closing) ?? (lastWhole ? parse(text.slice(0, lastWhole.length) + lastWhole.closing) : null);
}

interface Scan {
  /** The brackets that close what is open, outermost first. */
  readonly open: string[];
  readonly inString: boolean;
  /** Up to where the text would be whole if it were closed there. */
  readonly lastWhole: { readonly length: number; readonly closing: string } | null;
}

function scan(text: string): Scan {
  const open: string[] = [];
  let inString = false;
  let lastWhole: Scan["lastWhole"] = null;
  const mark = (length: number): void => void (lastWhole = { length, closing: open.toReversed().join("") });
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (inString) {
      if (character === "\\") at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === "{" || character === "[") {
      open.push(character === "{" ? "}" : "]");
      mark(at + 1);
    } else if (character === "}" || character === "]") {
      open.pop();
      mark(at + 1);
    } else if (character === ",") mark(at);
  }
  return { open, inString, lastWhole };
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null; // not whole yet
  }
}
