// All chats as a file, and a file of chats in again. Part of the settings.

import { useRef, useState } from "preact/hooks";
import type { ImportReport } from "../../../clients/typescript/src/schema.ts";
import { importArchive } from "../api.ts";
import { describeFailure } from "../notice.ts";
import { words } from "../words.ts";

/** A link that saves all chats, a button that takes a file of chats, and the report of what came of it. */
export function ArchiveButtons() {
  const input = useRef<HTMLInputElement>(null);
  const [said, setSaid] = useState("");
  const take = (file: File | undefined): void => {
    if (file === undefined) return;
    setSaid(words.archives.importing);
    importArchive(file).then(
      (report) => setSaid(describe(report)),
      (error: unknown) => setSaid(describeFailure(words.archives.importFailed, error)),
    );
  };
  return (
    <div class="archive">
      <a class="button" href="api/export" download>{words.archives.exportAll}</a>
      <button type="button" onClick={() => input.current?.click()}>{words.archives.importChats}</button>
      <input ref={input} type="file" accept=".jsonl,.json,.zip" hidden aria-label={words.archives.importChats}
        onChange={({ currentTarget }) => (take(currentTarget.files?.[0]), (currentTarget.value = ""))} />
      <p role="status">{said}</p>
    </div>
  );
}

/** Return the report in a few lines: what is there now, and how much of the rest is missing, and why. */
function describe(report: ImportReport): string {
  const lines = [words.archives.imported(report.taken["session"] ?? 0, report.taken["message"] ?? 0)];
  if (report.already["session"]) lines.push(words.archives.alreadyThere(report.already["session"]));
  if (!report.complete) lines.push(words.archives.breaksOff);
  for (const { kind, reason, count } of report.not_taken) lines.push(words.archives.notTaken(count, kind, reason));
  return lines.join("\n");
}
