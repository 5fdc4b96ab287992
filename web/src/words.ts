// The words of the page in the reader's language. English comes with the page, other languages are loaded when chosen.

import { en } from "./words/en.ts";

export type Words = typeof en;

/** The languages that are there, each in its own words. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

/** The words in use. Read them while drawing, not before: they change when another language is loaded. */
export let words: Words = en;

/** Use the words of a language. Draw the page anew afterwards. Where they cannot be loaded, English is used. */
export async function loadWords(language: Language): Promise<void> {
  words = await find(language);
  document.documentElement.lang = words === en ? "en" : language;
}

async function find(language: Language): Promise<Words> {
  try {
    return language === "de" ? (await import("./words/de.ts")).de : en;
  } catch (error) {
    console.info("the words of this language could not be loaded:", error);
    return en;
  }
}
