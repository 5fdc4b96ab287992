// What leaves the page by the reader's hand: text for the clipboard, and files.

/** Copy to the clipboard. Pages without https have no `navigator.clipboard`, so a text field is copied from there. */
export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area); // beside a dialog nothing can be selected
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("the browser refused");
}

const MAX_FILE_NAME_CHARS = 80;

/** Return a file's name, without its ending, for something with this title: letters, digits and hyphens. */
export function nameFile(title: string): string {
  const name = title.replace(/[^\p{L}\p{M}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  return [...name].slice(0, MAX_FILE_NAME_CHARS).join("") || "chatkeep";
}

/** Have the browser save `text` as a file. */
export function downloadText(text: string, fileName: string, type = "text/plain"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read it later
}
