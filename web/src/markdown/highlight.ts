// The colours of code. The highlighter comes when the first block of code does, and so does each language that is not
// among the most common ones.

import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";
import { fileOfName, loaders } from "virtual:code-languages";

const common = {
  bash, c, cpp, css, diff, go, ini, java, javascript, json, markdown, python, ruby, rust, sql, typescript, xml, yaml,
};
for (const [name, language] of Object.entries(common)) hljs.registerLanguage(name, language);
hljs.registerAliases(["console", "shell"], { languageName: "bash" });

/** Load a language by one of its names. Returns false if there is none of that name. */
export async function loadLanguage(name: string): Promise<boolean> {
  if (hljs.getLanguage(name)) return true;
  const file = fileOfName[name.toLowerCase()];
  if (file === undefined) return false;
  const { default: language } = await loaders[file]!();
  hljs.registerLanguage(file, language);
  return true;
}

/** Return `code` as HTML with `<span class="hljs-…">`, not sanitised. The language must be there. */
export const highlight = (code: string, language: string): string =>
  hljs.highlight(code, { language, ignoreIllegals: true }).value;
