import { useEffect, useState } from "preact/hooks";
import { copyText } from "../clipboard.ts";
import { reportFailure } from "../notice.ts";
import { IconButton } from "./icons.tsx";
import { words } from "../words.ts";

const COPIED_SIGN_MS = 2_000;

/** Copies the text when pressed, and shows for a moment that it has. */
export function CopyButton({ getText }: { getText: () => string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    const timer = isCopied ? setTimeout(() => setCopied(false), COPIED_SIGN_MS) : undefined;
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = (): void => void copyText(getText()).then(() => setCopied(true), reportFailure(words.copyingFailed));
  return <IconButton name={isCopied ? "check" : "copy"} label={isCopied ? words.copied : words.copy} onClick={copy} />;
}
