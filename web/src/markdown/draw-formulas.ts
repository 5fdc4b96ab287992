// Draws formulas as MathML. The library comes when the first formula does; until then, and for TeX that it does not
// know, the source stands in its place. It writes style attributes, which the page's policy does not know: what they say
// about lines and space is said by classes, and the rest goes.

import DOMPurify, { type Config } from "dompurify";
import { texOf } from "./formulas.ts";
import { words } from "../words.ts";

type Library = typeof import("temml").default;

const OPTIONS = { throwOnError: true, trust: false, strict: false, maxExpand: 500, maxSize: [20, 40] as [number, number] };
/** Longer TeX stays as it is: drawing it would hold up the page. */
const MAX_TEX_CHARS = 5_000;

const MATH_RULES = {
  ALLOWED_TAGS:
    "math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none".split(
      " ",
    ),
  ALLOWED_ATTR:
    "accent accentunder class columnspan depth display displaystyle fence form height largeop linethickness lspace mathcolor mathvariant maxsize minsize movablelimits rowspan rspace scriptlevel separator stretchy symmetric voffset width".split(
      " ",
    ),
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config;

let library: Library | null = null;
let loading: Promise<void> | null = null;

/** Draw the formulas in `root`: at once if the library is there, otherwise as soon as it is. */
export function drawFormulas(root: ParentNode): void {
  const formulas = [...root.querySelectorAll<HTMLElement>("[data-formula]")];
  if (formulas.length === 0) return;
  if (library) return formulas.forEach(drawFormula);
  const report = (error: unknown): void => {
    loading = null;
    console.info("formulas are shown as their source:", error);
  };
  void load().then(() => formulas.forEach(drawFormula), report);
}

const load = (): Promise<void> => (loading ??= import("temml").then((module) => void (library = module.default)));

function drawFormula(formula: HTMLElement): void {
  const source = formula.textContent;
  const tex = texOf(source);
  if (tex === null || tex.length > MAX_TEX_CHARS || formula.dataset["source"] !== undefined) return;
  try {
    const html = library!.renderToString(tex, { ...OPTIONS, displayMode: formula.dataset["formula"] === "block" });
    formula.replaceChildren(DOMPurify.sanitize(stylesToClasses(html), MATH_RULES));
    formula.dataset["source"] = source;
    if (formula.dataset["formula"] === "block") Object.assign(formula, { tabIndex: 0, role: "group", ariaLabel: words.prose.formula });
  } catch (error) {
    formula.title = error instanceof Error ? error.message.slice(0, 200) : "";
  }
}

/** Return the HTML with classes (`formula.css`) and colours where it had style attributes. */
const stylesToClasses = (html: string): string =>
  html.replace(/<(\w+)([^>]*?) style="([^"]*)"/g, (_, tag: string, attributes: string, style: string) => {
    const classes = [...style.matchAll(/(?:^|;)border-(bottom|top|left|right):/g)].map(([, side]) => `line-${side}`);
    if (/padding-left:0[a-z]*;padding-right:0[a-z]*/.test(style)) classes.push("tight");
    if (/(?:^|;)border:/.test(style)) classes.push("boxed");
    const color = /(?:^|;)color:(#[\da-f]{3,8})/i.exec(style)?.[1];
    const old = /class="([^"]*)"/.exec(attributes)?.[1] ?? "";
    const rest = attributes.replace(/ class="[^"]*"/, "");
    const all = [old, ...classes].filter((name) => name !== "").join(" ");
    return `<${tag}${rest}${all && ` class="${all}"`}${color ? ` mathcolor="${color}"` : ""}`;
  });

/** Replace each formula in `root`, a copy of something on the page, by its source. */
export function restoreSources(root: ParentNode): void {
  root.querySelectorAll<HTMLElement>("[data-source]").forEach((formula) => formula.replaceWith(formula.dataset["source"]!));
}
