// What the page says of a file.

/** Return a size for reading: `512 bytes`, `1.2 MB`, in the page's language. */
export function formatBytes(bytes: number, language = document.documentElement.lang): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = bytes < 1_000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const unitDisplay = step === 0 ? "long" : "short";
  const format = { style: "unit", unit: units[step]!, unitDisplay, maximumFractionDigits: step < 2 ? 0 : 1 } as const;
  return new Intl.NumberFormat(language, format).format(bytes / 1_000 ** step);
}

/** An ending of a name that tells a kind of file. */
const ENDING = /\.([a-z0-9]{1,5})$/i;

/** Return the kind of a file in a short word, as people name them: `PDF`, `PNG`, `CSV`; empty if nothing tells. */
export function kindOf(name: string, mediaType: string): string {
  const ending = ENDING.exec(name)?.[1];
  const [family = "", kind = ""] = mediaType.split("/");
  const isTelling = family !== "text" && kind !== "octet-stream" && /^[a-z0-9]{2,5}$/.test(kind);
  return (isTelling ? kind : (ending ?? family.replace("application", ""))).toUpperCase();
}

/** Types of which the service makes pictures, and browsers show the file itself. */
const SHOWN_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

export const isShown = (mediaType: string): boolean => SHOWN_TYPES.includes(mediaType);

/** Return the largest size of the same shape, at most as large as the picture is, that has room in a box. */
export function fitInto(width: number, height: number, box: readonly [number, number]): readonly [number, number] {
  const scale = Math.min(1, box[0] / width, box[1] / height);
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}
