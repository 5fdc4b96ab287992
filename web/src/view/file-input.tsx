// The three ways by which files come into a message: the paperclip, paste, and drop.

import { useEffect, useRef, useState } from "preact/hooks";
import { filesOfPaste, nameOfPaste } from "../files/draft-file.ts";
import { notify } from "../notice.ts";
import { words } from "../words.ts";
import type { NewFile } from "./draft-files.tsx";
import { Icon } from "./icons.tsx";
import { Menu } from "./menu.tsx";

interface Props {
  readonly onFiles: (files: readonly NewFile[]) => void;
}

/** A finger has a camera beside it. */
const hasCamera = (): boolean => matchMedia("(pointer: coarse)").matches;

/** The button that opens the browser's choice of files; on a phone a menu, with the camera in it. */
export function FileButton({ onFiles }: Props) {
  const files = useRef<HTMLInputElement>(null);
  const photo = useRef<HTMLInputElement>(null);
  const change = ({ currentTarget: input }: preact.TargetedEvent<HTMLInputElement>): void => {
    onFiles([...(input.files ?? [])].map(asItIs));
    input.value = ""; // so that the same file can be chosen again
  };
  const { attach, choose, takePhoto } = words.files;
  return (
    <>
      {hasCamera() ? (
        <Menu label={attach} icon="clip" items={[
          { label: takePhoto, icon: "camera", onClick: () => photo.current!.click() },
          { label: choose, icon: "page", onClick: () => files.current!.click() },
        ]} />
      ) : (
        <button type="button" class="round" aria-label={attach} title={attach} onClick={() => files.current!.click()}>
          <Icon name="clip" />
        </button>
      )}
      <input ref={files} type="file" multiple hidden data-input="files" onChange={change} />
      <input ref={photo} type="file" accept="image/*" capture="environment" hidden data-input="photo" onChange={change} />
    </>
  );
}

/** Return a handler of paste that takes the files in the clipboard, and leaves texts to the browser. */
export const takingFiles = (onFiles: Props["onFiles"]) => (event: ClipboardEvent): void => {
  const { types = [], files = [] } = event.clipboardData ?? {};
  const pasted = filesOfPaste(types, [...files]);
  if (pasted.length === 0) return;
  event.preventDefault();
  const now = new Date();
  onFiles(pasted.map((file) => ({ file, name: nameOfPaste(file.name, words.files.pasted, now) })));
};

/** Where files can be dropped: all of the page, as soon as some are dragged over it. */
export function DropTarget({ onFiles }: Props) {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const onDrag = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault(); // else the browser would leave the page for the file
      if (event.type === "dragenter" && !document.querySelector("dialog[open]")) setOver(true);
    };
    const names = ["dragenter", "dragover", "drop"] as const;
    names.forEach((name) => addEventListener(name, onDrag));
    return () => names.forEach((name) => removeEventListener(name, onDrag));
  }, []);
  if (!isOver) return null;
  const drop = ({ dataTransfer }: DragEvent): void => {
    setOver(false);
    if (dataTransfer) onFiles(withoutFolders(dataTransfer));
  };
  return (
    <div class="drop-target" onDragLeave={() => setOver(false)} onDrop={drop}>
      <p><Icon name="clip" /> {words.files.dropHere}</p>
    </div>
  );
}

const asItIs = (file: File): NewFile => ({ file, name: file.name });

/** Return the files that were dropped. The user reads that folders are none. */
function withoutFolders({ files, items }: DataTransfer): readonly NewFile[] {
  const folders = [...items].flatMap((item) => item.webkitGetAsEntry?.() ?? []).filter((entry) => entry.isDirectory);
  folders.forEach(({ name }) => notify(words.files.isFolder(name)));
  return [...files].filter(({ name }) => !folders.some((folder) => folder.name === name)).map(asItIs);
}
