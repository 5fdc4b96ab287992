import { useEffect, useMemo, useReducer } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { type DraftFile, fromBrowser, MAX_FILES, parseDraftFiles } from "../files/draft-file.ts";
import { formatBytes, kindOf } from "../files/format.ts";
import type { UploadState } from "../files/uploads.ts";
import { notify } from "../notice.ts";
import { words } from "../words.ts";
import { useDraft } from "./draft.ts";
import { focusComposer } from "./focus.ts";
import { IconButton } from "./icons.tsx";
import { Preview } from "./preview.tsx";

/** A file from the user's hand, and the name that it gets. */
export interface NewFile {
  readonly file: File;
  readonly name: string;
}

/** The files of the session's draft, and what changes them. */
export interface DraftFiles {
  readonly files: readonly DraftFile[];
  readonly add: (files: readonly NewFile[]) => void;
  readonly remove: (file: DraftFile) => void;
  /** Put other files in their place; their bytes stay where they are. */
  readonly set: (files: readonly DraftFile[]) => void;
}

export function useDraftFiles(app: App, conversation: Conversation): DraftFiles {
  const [stored, store] = useDraft(conversation, "draft-files");
  const files = useMemo(() => parseDraftFiles(stored), [stored]);
  const set = (all: readonly DraftFile[]): void => store(all.length === 0 ? "" : JSON.stringify(all));
  const add = (chosen: readonly NewFile[]): void => {
    const filled = chosen.filter(({ file }) => file.size > 0);
    const taken = filled.slice(0, MAX_FILES - files.length).map(({ file, name }) => [fromBrowser(file, name), file] as const);
    for (const { file, name } of chosen) if (file.size === 0) notify(words.files.empty(name));
    if (taken.length < filled.length) notify(words.files.tooMany(MAX_FILES));
    set([...files, ...taken.map(([draft]) => draft)]); // before their bytes: see `files/kept-bytes.ts`
    for (const [draft, file] of taken) app.uploads.keep(draft, file);
  };
  const remove = (file: DraftFile): void => {
    set(files.filter(({ key }) => key !== file.key));
    app.uploads.drop([file]);
    app.announcement.value = words.files.removed(file.name);
    focusComposer();
  };
  return { files, add, remove, set };
}

/** Return how the uploads of files stand. */
export function useUploadStates(app: App, files: readonly DraftFile[]): readonly UploadState[] {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const states = files.map((file) => app.uploads.stateOf(file));
  useEffect(() => {
    const stops = states.map((state) => state.watch(() => redraw(undefined)));
    return () => stops.forEach((stop) => stop());
  }, [files]);
  return states.map(({ value }) => value);
}

interface Props {
  readonly app: App;
  readonly files: readonly DraftFile[];
  /** Null: they cannot be removed here. */
  readonly onRemove: ((file: DraftFile) => void) | null;
}

/** The files of a message that is being written, or waits: each with its picture, size, and how its upload stands. */
export function FileChips({ app, files, onRemove }: Props) {
  if (files.length === 0) return null;
  return (
    <ul class="chips" aria-label={words.files.attached}>
      {files.map((file) => <Chip key={file.key} app={app} file={file} onRemove={onRemove} />)}
    </ul>
  );
}

function Chip({ app, file, onRemove }: Omit<Props, "files"> & { file: DraftFile }) {
  const state = useCell(app.uploads.stateOf(file));
  useEffect(() => (onRemove ? bringAndTell(app, file) : undefined), [file.key]); // the outbox brings those of its items
  const { fileId, refused, sent } = state;
  return (
    <li class={refused === null ? "chip" : "chip refused"}>
      <Preview file={file} fileId={fileId} />
      <div>
        <p class="name" dir="auto" title={file.name}>{file.name}</p>
        <p class="soft">{describe(file, state)}</p>
        {fileId === null && refused === null && (
          <progress aria-label={words.files.uploadOf(file.name)} max={1} value={sent} />
        )}
      </div>
      {onRemove && <IconButton name="close" label={words.files.remove(file.name)} onClick={() => onRemove(file)} />}
    </li>
  );
}

function describe({ name, media_type, bytes }: DraftFile, { fileId, isWaiting, refused, sent }: UploadState): string {
  if (refused !== null) return words.files.refusals[refused.code] ?? refused.message;
  if (isWaiting) return words.files.waiting;
  const size = formatBytes(bytes);
  return fileId === null ? words.files.sent(Math.floor(sent * 100), size) : `${kindOf(name, media_type)} · ${size}`;
}

/** Bring the file, and tell screen readers how that ended. */
function bringAndTell(app: App, file: DraftFile): void {
  if (app.uploads.stateOf(file).value.fileId !== null) return;
  const tell = (text: string): void => void (app.announcement.value = text);
  const isRefused = (): boolean => app.uploads.stateOf(file).value.refused !== null; // else it was removed
  app.uploads.bring(file).then(
    () => tell(words.files.isAttached(file.name)),
    () => (isRefused() ? tell(words.files.isNotAttached(file.name)) : undefined), // the chip says why
  );
}
