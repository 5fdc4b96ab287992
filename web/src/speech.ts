// Reads text aloud, and writes what is said, by the browser's own means.
//
// Only means that work on this device are used: some browsers send the text or the voice to a server of theirs, and this
// page asks no other host for anything. Where there are none, there is no button.

import { Cell } from "./cell.ts";

/** The voices of this device. */
export const voices = new Cell<readonly SpeechSynthesisVoice[]>([]);
/** The name of the text that is being read aloud; null: none. */
export const spoken = new Cell<unknown>(null);

const synthesis = globalThis.speechSynthesis as SpeechSynthesis | undefined;

function listVoices(): void {
  voices.value = synthesis?.getVoices().filter((voice) => voice.localService) ?? [];
}

listVoices();
synthesis?.addEventListener("voiceschanged", listVoices); // many browsers know them only later

/** Languages that their script gives away. Any other text is read in the reader's language. */
const SCRIPTS: readonly (readonly [RegExp, string])[] = [
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/u, "ja"], [/\p{Script=Hangul}/u, "ko"], [/\p{Script=Han}/u, "zh"],
  [/\p{Script=Cyrillic}/u, "ru"], [/\p{Script=Arabic}/u, "ar"], [/\p{Script=Hebrew}/u, "he"],
  [/\p{Script=Greek}/u, "el"], [/\p{Script=Devanagari}/u, "hi"], [/\p{Script=Thai}/u, "th"],
];

function chooseVoice(text: string): SpeechSynthesisVoice | undefined {
  const language = SCRIPTS.find(([script]) => script.test(text))?.[1] ?? navigator.language.slice(0, 2);
  return voices.value.find((voice) => voice.lang.startsWith(language)) ?? voices.value[0];
}

/** Read a text aloud, paragraph by paragraph. `name` stands in `spoken` until it is done. What was read before ends. */
export function readAloud(name: unknown, text: string): void {
  stopReading();
  const paragraphs = text.split(/\n+/).filter((paragraph) => paragraph.trim() !== "");
  if (!synthesis || paragraphs.length === 0) return;
  spoken.value = name;
  paragraphs.forEach((paragraph, index) => {
    const utterance = new SpeechSynthesisUtterance(paragraph);
    utterance.voice = chooseVoice(paragraph) ?? null;
    if (utterance.voice) utterance.lang = utterance.voice.lang;
    const isLast = index === paragraphs.length - 1;
    if (isLast) utterance.onend = utterance.onerror = () => (spoken.value === name ? (spoken.value = null) : null);
    synthesis.speak(utterance);
  });
}

/** Read nothing more. */
export function stopReading(): void {
  spoken.value = null;
  synthesis?.cancel();
}

/** The part of the Web Speech API's recognition that this page uses. TypeScript does not know it. */
interface Recognition extends EventTarget {
  lang: string;
  continuous: boolean;
  interimResults: boolean;
  processLocally: boolean;
  start(): void;
  stop(): void;
}
interface RecognitionClass {
  new (): Recognition;
  available?(options: { langs: string[]; processLocally: boolean }): Promise<string>;
}
interface RecognitionEvent extends Event {
  readonly results: Iterable<ArrayLike<{ readonly transcript: string }>>;
}

const recognitionClass = (globalThis as { SpeechRecognition?: RecognitionClass }).SpeechRecognition;

/** Return true if this device can write what is said, in the reader's language. */
export async function canDictate(): Promise<boolean> {
  const options = { langs: [navigator.language], processLocally: true };
  const state = await recognitionClass?.available?.(options).catch(() => "unavailable");
  return state === "available";
}

/** Listen until the returned function is called. `onText` gets all that was said so far, `onEnd` why it ended early. */
export function dictate(onText: (text: string) => void, onEnd: (error: string | null) => void): () => void {
  const recognition = new recognitionClass!();
  Object.assign(recognition, { lang: navigator.language, continuous: true, interimResults: true, processLocally: true });
  recognition.addEventListener("result", (event) =>
    onText([...(event as RecognitionEvent).results].map((result) => result[0]?.transcript ?? "").join("")),
  );
  recognition.addEventListener("error", (event) => onEnd((event as unknown as { error: string }).error));
  recognition.addEventListener("end", () => onEnd(null));
  recognition.start();
  return () => recognition.stop();
}
