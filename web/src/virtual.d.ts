/** All languages of highlight.js, made by `vite.config.ts`. */
declare module "virtual:code-languages" {
  import type { LanguageFn } from "highlight.js";
  /** The file of each language by its names and aliases, in small letters. */
  export const fileOfName: Readonly<Record<string, string>>;
  /** A function for each file that loads it. */
  export const loaders: Readonly<Record<string, () => Promise<{ default: LanguageFn }>>>;
}
