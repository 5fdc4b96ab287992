import assert from "node:assert/strict";
import { test } from "node:test";
import { toHtml } from "../src/markdown/parse.ts";

const html = (text: string): string => toHtml(text, {}).trim();
const inline = (text: string): string => html(text).replace(/^<p>|<\/p>$/g, "");
const formulas = (text: string): string[] =>
  [...html(text).matchAll(/data-formula="\w+">([^<]*)</g)].map(([, source]) => source!.replaceAll("&#38;", "&"));

test("formulas keep their source", () => {
  assert.deepEqual(formulas(String.raw`$e^{i\pi}$, \(a\\b\), and \[x\,y\]`), [
    String.raw`$e^{i\pi}$`, String.raw`\(a\\b\)`, String.raw`\[x\,y\]`,
  ]);
  assert.deepEqual(formulas("$$\na\n= b\n- c\n$$"), ["$$\na\n= b\n- c\n$$"]);
  assert.deepEqual(formulas("text\n\\[\n\\begin{pmatrix}a&b\\\\c&d\\end{pmatrix}\n\\]"), [
    "\\[\n\\begin{pmatrix}a&b\\\\c&d\\end{pmatrix}\n\\]",
  ]);
  assert.deepEqual(formulas("$x_i*y_i$ and *this* and $z*w$"), ["$x_i*y_i$", "$z*w$"]);
});

test("money is no formula", () => {
  const texts = ["$5", "$5 and $10", "US$20 or A$30", "between $5/mo and $6", "\\$5$", "$5-$10", "$5 each, or 9 for 40$", "`$x$`"];
  for (const text of texts) assert.deepEqual(formulas(text), [], text);
});

test("emphasis beside Chinese and Japanese", () => {
  assert.equal(inline("**注意：**请看"), "<strong>注意：</strong>请看");
  assert.equal(inline("这是**“重点”**内容"), "这是<strong>“重点”</strong>内容");
  assert.equal(inline("日本語の**「強調」**です"), "日本語の<strong>「強調」</strong>です");
  assert.equal(inline("a ** b, 2 * 3 * 4, snake_case_name"), "a ** b, 2 * 3 * 4, snake_case_name");
});

test("only two tildes strike through, and CJK punctuation ends an address", () => {
  assert.equal(inline("5~6 and 7~8, ~~gone~~"), "5~6 and 7~8, <del>gone</del>");
  const link = '<a href="https://example.org/a">https://example.org/a</a>';
  assert.equal(inline("见https://example.org/a。然后"), `见${link}。然后`);
});

test("five tags are as meant, all others are text", () => {
  assert.equal(inline("H<sub>2</sub>O<br/><kbd>a < b</kbd>"), "H<sub>2</sub>O<br/><kbd>a &#60; b</kbd>");
  assert.equal(inline('x <sub onclick="y">2</sub>'), "x &#60;sub onclick=&#34;y&#34;&#62;2</sub>");
  assert.equal(
    html("<details><summary>More **x**</summary>\n\n- one\n\n</details>\n\nafter"),
    "<details><summary>More <strong>x</strong></summary><ul>\n<li>one</li>\n</ul>\n</details><p>after</p>",
  );
});

test("footnotes", () => {
  assert.equal(
    html("a[^1]\n[^1]: One.\n    More.\n[^b]: Two."),
    '<p>a<sup data-note="1">[^1]</sup></p>\n<div data-note="1"><p>One.\nMore.</p>\n</div><div data-note="b"><p>Two.</p>\n</div>',
  );
});

test("nesting that is too deep is text, and many marks take no time", () => {
  assert.match(html("> ".repeat(4_000) + "deep"), /deep/);
  for (const text of ["**注：", "_a", "[", "$a ", "$$", "\\(", "*a_ ", "<details>", "[^1]", "` ``"])
    assert.ok(html(text.repeat(8_000 / text.length)).length > 0);
});
