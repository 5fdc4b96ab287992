import { useEffect, useRef, useState } from "preact/hooks";
import { useCell } from "../cell.ts";
import { restoreSources } from "../markdown/draw-formulas.ts";
import { reportFailure } from "../notice.ts";
import { canDictate, dictate, readAloud, spoken, stopReading, voices } from "../speech.ts";
import { Icon, IconButton } from "./icons.tsx";
import { words } from "../words.ts";

/** Reads the answer `id` aloud, or stops. Not there where this device has no voice. */
export function ReadAloudButton({ id }: { id: string }) {
  const hasVoice = useCell(voices).length > 0;
  const isReading = useCell(spoken) === id;
  useEffect(() => () => (spoken.value === id ? stopReading() : undefined), [id]);
  if (!hasVoice) return null;
  const press = (): void => (isReading ? stopReading() : readAloud(id, wordsOfAnswer(id)));
  return (
    <IconButton name={isReading ? "mute" : "sound"} label={isReading ? words.speech.stop : words.speech.read} onClick={press} />
  );
}

/** Return the words of an answer, without its code. */
const wordsOfAnswer = (id: string): string =>
  [...document.querySelectorAll(`[data-message="${id}"] .prose`)].map(wordsOf).join("\n");

function wordsOf(prose: Element): string {
  const copy = prose.cloneNode(true) as Element;
  restoreSources(copy);
  copy.querySelectorAll("figure, sup[data-note], button").forEach((each) => each.remove());
  copy.querySelectorAll("p, li, h3, h4, h5, h6, td, th, summary").forEach((each) => each.append("\n"));
  return copy.textContent;
}

/** Writes what is said behind `text`. Not there where this device cannot do that by itself. */
export function DictationButton({ text, onText }: { text: string; onText: (text: string) => void }) {
  const [isThere, setThere] = useState(false);
  const [stop, setStop] = useState<(() => void) | null>(null);
  useEffect(() => void canDictate().then(setThere), []);
  const isListening = useRef(false);
  useEffect(() => stop ?? undefined, [stop]); // also when the field goes away
  useEffect(() => {
    if (text !== "") return;
    isListening.current = false; // the message was sent: what is still heard of it is not written again
    stop?.();
  }, [text]);
  if (!isThere) return null;
  const start = (): void => {
    const before = text === "" || /\s$/.test(text) ? text : `${text} `;
    const end = (error: string | null): void => {
      setStop(null);
      if (error !== null && error !== "aborted" && error !== "no-speech") reportFailure(words.speech.listeningFailed)(new Error(error));
    };
    isListening.current = true;
    const write = (said: string): void => (isListening.current ? onText(before + said.trimStart()) : undefined);
    setStop(() => dictate(write, end));
  };
  return (
    <button type="button" class={stop ? "round listening" : "round"} aria-label={words.speech.dictate} title={words.speech.dictate}
      aria-pressed={stop !== null} onClick={stop ?? start}>
      <Icon name="microphone" />
    </button>
  );
}

