import assert from "node:assert/strict";
import { test } from "node:test";
import { filesOfPaste, fromPart, nameOfPaste, parseDraftFiles } from "../src/files/draft-file.ts";
import { fitInto, formatBytes, kindOf } from "../src/files/format.ts";
import { nameHeader } from "../src/files/send-file.ts";

const picture = new File(["x"], "image.png", { type: "image/png" });

test("a pasted screenshot is a file, a pasted text of an office program is none", () => {
  assert.deepEqual(filesOfPaste(["Files"], [picture]), [picture]);
  assert.deepEqual(filesOfPaste(["text/html", "Files"], [picture]), [picture]); // "copy image" of a browser
  assert.deepEqual(filesOfPaste(["text/plain", "Files"], [picture]), [picture]); // a file of a file manager
  assert.deepEqual(filesOfPaste(["text/plain", "text/html", "text/rtf", "Files"], [picture]), []);
  assert.deepEqual(filesOfPaste(["text/plain"], []), []);
});

test("a picture from the clipboard is named by the time, a file keeps its name", () => {
  const now = new Date(2026, 10, 30, 9, 5, 7);
  assert.equal(nameOfPaste("image.png", "Pasted", now), "Pasted 2026-11-30 09.05.07.png");
  assert.equal(nameOfPaste("my image.png", "Pasted", now), "my image.png");
  assert.equal(nameOfPaste("image", "Pasted", now), "image");
});

test("any name goes into a header, and is the same there", () => {
  for (const name of ["a.png", 'a"b;c\\d.txt', "été – 写真.jpg", "(1)*'%.txt", "line\nbreak\0.txt", "😀.png"]) {
    const header = nameHeader(name);
    assert.match(header, /^attachment; filename\*=UTF-8''[\w.!#$&+^`|~%-]+$/, name);
    assert.equal(decodeURIComponent(header.split("''")[1]!), name);
  }
  assert.equal(nameHeader("\ud800.txt"), "attachment; filename*=UTF-8''%EF%BF%BD.txt");
});

test("sizes are short, in the language of the page", () => {
  assert.equal(formatBytes(1, "en"), "1 byte");
  assert.equal(formatBytes(999, "en"), "999 bytes");
  assert.equal(formatBytes(1_499, "en"), "1 kB");
  assert.equal(formatBytes(20_000_000, "en"), "20 MB");
  assert.match(formatBytes(1_250_000_000, "de"), /^1,3\sGB$/);
});

test("the kind of a file is the word that people use for it", () => {
  assert.equal(kindOf("a.pdf", "application/pdf"), "PDF");
  assert.equal(kindOf("photo", "image/jpeg"), "JPEG");
  assert.equal(kindOf("a.ts", "text/plain"), "TS");
  assert.equal(kindOf("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"), "DOCX");
  assert.equal(kindOf("data", "application/octet-stream"), "");
  assert.equal(kindOf("data", ""), "");
});

test("a picture keeps its shape, and is never made larger", () => {
  assert.deepEqual(fitInto(1600, 900, [320, 260]), [320, 180]);
  assert.deepEqual(fitInto(900, 1600, [320, 260]), [146, 260]);
  assert.deepEqual(fitInto(10, 20, [320, 260]), [10, 20]);
  assert.deepEqual(fitInto(60_000, 1, [320, 260]), [320, 1]);
});

test("files of a draft come back from where they were stored", () => {
  const part = { type: "file", file_id: "1", name: "a", media_type: "text/plain", bytes: 3, width: null, height: null, pages: null } as const;
  const files = [fromPart(part)];
  assert.deepEqual(parseDraftFiles(JSON.stringify(files)), files);
  assert.deepEqual(parseDraftFiles(""), []);
  assert.deepEqual(parseDraftFiles("{"), []);
});
