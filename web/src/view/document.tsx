import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { downloadText, nameFile } from "../clipboard.ts";
import { type Change, compare, type DocumentFields } from "../documents.ts";
import { reportFailure } from "../notice.ts";
import { CopyButton } from "./copy-button.tsx";
import { IconButton } from "./icons.tsx";
import { Prose } from "./prose.tsx";
import { Versions } from "./versions.tsx";
import { words } from "../words.ts";

interface Props {
  readonly fields: DocumentFields;
  readonly isLive: boolean;
  readonly listDocuments: () => readonly DocumentFields[];
  /** Shown below the document. */
  readonly quotes?: ComponentChildren;
}

/** A version of a document: set as text, with buttons for it alone, the versions before it, and what changed. */
export function DocumentCard({ fields, isLive, listDocuments, quotes }: Props) {
  const known = isLive ? [] : listDocuments();
  const versions = known.includes(fields) ? known : [fields]; // one that was cut is no version
  const own = versions.indexOf(fields);
  const [back, setBack] = useState(0);
  const [isComparing, setComparing] = useState(false);
  const index = Math.max(own - back, 0);
  const shown = versions[index] ?? fields;
  const before = versions[index - 1];
  const title = textOf(shown, "title") || words.document.untitled;
  return (
    <section class="card document" aria-label={title} aria-busy={isLive}>
      <header>
        <h3 dir="auto">{title}</h3>
        {own > 0 && (
          <Versions labels={words.document} index={index} count={own + 1} onStep={(step) => setBack(back - step)} />
        )}
        {before && (
          <button type="button" class="quiet" aria-pressed={isComparing} onClick={() => setComparing(!isComparing)}>
            {words.document.changes}
          </button>
        )}
        {!isLive && <CopyButton getText={() => textOf(shown, "body")} />}
        {!isLive && <IconButton name="download" label={words.prose.download} onClick={() => download(title, shown)} />}
      </header>
      {isComparing && before ? (
        <Changes before={textOf(before, "body")} after={textOf(shown, "body")} />
      ) : (
        <Prose key={index} text={textOf(shown, "body")} isLive={isLive} />
      )}
      {textOf(shown, "note") && <p class="soft" dir="auto">{textOf(shown, "note")}</p>}
      {index === own && quotes}
    </section>
  );
}

const textOf = (fields: DocumentFields, name: string): string => {
  const value = fields[name];
  return typeof value === "string" ? value : "";
};

/** Have the document saved as Markdown, under its title. */
const download = (title: string, fields: DocumentFields): void =>
  downloadText(textOf(fields, "body"), `${nameFile(title)}.md`, "text/markdown");

/** The text with what came and what went marked in it, by words. */
function Changes({ before, after }: { before: string; after: string }) {
  const [changes, setChanges] = useState<readonly Change[] | null | undefined>(undefined);
  useEffect(() => {
    setChanges(undefined);
    compare(before, after).then(setChanges, reportFailure(words.document.comparingFailed));
  }, [before, after]);
  if (changes === undefined) return <p class="soft">…</p>;
  if (changes === null) return <p class="soft">{words.document.tooDifferent}</p>;
  return (
    <div class="changes" dir="auto">
      {changes.map(({ text, kind }, index) => {
        const Tag = kind === "added" ? "ins" : kind === "removed" ? "del" : "span";
        return <Tag key={index}>{text}</Tag>;
      })}
    </div>
  );
}
