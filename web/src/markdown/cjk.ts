// Emphasis and bare addresses beside Chinese, Japanese and Korean, which have no spaces between words.
//
// CommonMark lets `**` close after punctuation only before a space or more punctuation, so `**注意：**请看` stays
// unmarked. Here, as in github.com/tats-u/markdown-cjk-friendly, a mark beside one of these scripts may open and close.
// Only the copy of the text in which the parser looks for closing marks is changed: there, such punctuation is a letter.

import { Tokenizer, type Tokens, type TokenizerThis } from "marked";

const CJK = String.raw`[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff00-\uffef]`;
const PUNCTUATION = String.raw`[\p{P}\p{S}]`;
/** Punctuation inside a closing mark that has one of the scripts before it or behind it. Marks themselves are none. */
const BEFORE_MARK = new RegExp(`(?![*_])(?:${PUNCTUATION}(?=\\*+${CJK})|(?=${CJK})${PUNCTUATION}(?=\\*))`, "gu");
const OPENING_MARK = new RegExp(`^\\*+${CJK}`, "u");
const IS_CJK = new RegExp(`^${CJK}`, "u");
/** An address does not contain these, and Chinese writes no space before them. */
const ENDS_ADDRESS = /[\u3000-\u3003\u3008-\u3011\u3014-\u301f\uff01-\uff0f\uff1a-\uff1f\uff3b-\uff3d\uff5b-\uff65“”‘’…]/;

/** Return `masked` with as many characters, in which a mark beside CJK punctuation can close. */
export const maskPunctuation = (masked: string): string =>
  masked.replace(BEFORE_MARK, (character) => "a".repeat(character.length));

/** A paragraph with more marks is shown without emphasis: pairing them takes time that grows with the square. */
const MAX_MARKS = 400;
const counted = { masked: "", isTooMany: false };

function hasTooManyMarks(masked: string): boolean {
  if (counted.masked !== masked)
    Object.assign(counted, { masked, isTooMany: (masked.match(/[*_]+/g)?.length ?? 0) > MAX_MARKS });
  return counted.isTooMany;
}

type Emphasis = Tokens.Em | Tokens.Strong | undefined;

/** Marked's tokenizer for emphasis, with the rule above for opening marks. */
export function emStrong(this: TokenizerThis, src: string, masked: string, previous = ""): Emphasis {
  if (hasTooManyMarks(masked)) return undefined;
  const mayOpen = src.startsWith("*") && (IS_CJK.test(previous) || OPENING_MARK.test(src));
  return Tokenizer.prototype.emStrong.call(this as never, src, masked, mayOpen ? "" : previous);
}

/** Marked's tokenizer for bare addresses, which ends them at CJK punctuation. */
export function url(this: TokenizerThis, src: string): Tokens.Link | undefined {
  const end = src.slice(0, 2_000).search(ENDS_ADDRESS);
  return Tokenizer.prototype.url.call(this as never, end < 0 ? src : src.slice(0, end));
}
