// The settings of this browser: how the page looks, and which key sends. Stored as JSON under one name.

import { Cell } from "./cell.ts";
import * as storage from "./storage.ts";
import { LANGUAGES, type Language } from "./words.ts";

/** For each setting, its values; the first one is the default. */
export const CHOICES = {
  theme: ["system", "light", "dark"],
  textSize: ["normal", "large", "larger"],
  sendKey: ["enter", "mod-enter"],
  language: ["system", ...(Object.keys(LANGUAGES) as Language[])],
} as const;

export type Settings = { readonly [Name in keyof typeof CHOICES]: (typeof CHOICES)[Name][number] };

const STORED_AS = "settings";

/** The settings in use. */
export const settings = new Cell<Settings>(loadSettings());

/** Change settings, here and in the other tabs. */
export function changeSettings(changes: Partial<Settings>): void {
  settings.value = { ...settings.value, ...changes };
  storage.save(STORED_AS, JSON.stringify(settings.value));
}

/** Show the page by the settings, now and whenever they change. */
export function applySettings(): void {
  const show = (): void => {
    const { dataset } = document.documentElement;
    dataset["theme"] = settings.value.theme;
    dataset["textSize"] = settings.value.textSize;
  };
  show();
  settings.watch(show);
  storage.onChange(STORED_AS, () => (settings.value = loadSettings()));
}

/** Return the language to use: the chosen one, else the first of the browser's that is there. */
export function chooseLanguage(): Language {
  const { language } = settings.value;
  const isKnown = (name: string): name is Language => name in LANGUAGES;
  if (language !== "system") return language;
  return navigator.languages.map((tag) => tag.split("-")[0]!).find(isKnown) ?? "en";
}

/** Return what is stored, with the default in place of each value that is missing or unknown. */
function loadSettings(): Settings {
  const stored = storage.loadObject(STORED_AS);
  const entries = Object.entries(CHOICES).map(([name, values]) => [
    name,
    values.find((value) => value === stored[name]) ?? values[0],
  ]);
  return Object.fromEntries(entries);
}
