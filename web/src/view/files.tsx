import { useState } from "preact/hooks";
import type { FilePart } from "../../../clients/typescript/src/schema.ts";
import { fitInto, formatBytes, kindOf } from "../files/format.ts";
import { isPicture } from "../files/pictures.ts";
import { words } from "../words.ts";
import { Icon } from "./icons.tsx";
import { thumbnailOf } from "./preview.tsx";

/** The box of a picture that stands alone, and of each of several: width and height in pixels of the page. */
const BOX = [320, 260] as const;
const TILE = [124, 124] as const;
/** How large the service makes a picture, for screens with two or three pixels to one of the page. */
const THUMBNAIL_PX = 640;

interface Props {
  readonly files: readonly FilePart[];
  /** Show a picture large. */
  readonly onShow: (file: FilePart) => void;
}

/** The files of a message: its pictures, small, and below them a card for each other one. */
export function Files({ files, onShow }: Props) {
  const pictures = files.filter(isPicture);
  const others = files.filter((file) => !isPicture(file));
  return (
    <>
      {pictures.length > 0 && (
        <ul class="files" aria-label={words.files.pictures}>
          {pictures.map((file, index) => (
            <li key={index}><Picture file={file} isAlone={pictures.length === 1} onShow={onShow} /></li>
          ))}
        </ul>
      )}
      {others.length > 0 && (
        <ul class="files" aria-label={words.files.attached}>
          {others.map((file, index) => <li key={index}><FileCard file={file} /></li>)}
        </ul>
      )}
    </>
  );
}

/** A picture in a box whose size is known before it comes; a card if it cannot be shown. */
function Picture({ file, isAlone, onShow }: Omit<Props, "files"> & { file: FilePart; isAlone: boolean }) {
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return <FileCard file={file} />;
  const [width, height] = isAlone ? fitInto(file.width!, file.height!, BOX) : TILE;
  return (
    <button type="button" class={isAlone ? "picture" : "picture tile"} aria-label={words.files.show(file.name)}
      onClick={() => onShow(file)}>
      <img src={thumbnailOf(file.file_id, THUMBNAIL_PX)} alt={file.name} width={width} height={height} loading="lazy"
        onError={() => setBroken(true)} />
    </button>
  );
}

/** A file by its name, which opens or saves it, with what it is and how much. */
function FileCard({ file }: { file: FilePart }) {
  const { file_id, name, media_type, bytes, pages } = file;
  const facts = [kindOf(name, media_type), formatBytes(bytes), pages === null ? "" : words.files.pages(pages)];
  return (
    <a class="file-card" href={contentOf(file_id)} target="_blank" rel="noopener">
      <span class="preview">{pages === null ? <Icon name="page" /> : <FirstPage fileId={file_id} />}</span>
      <span>
        <span class="name" dir="auto" title={name}>{name}</span>
        <span class="soft">{facts.filter((fact) => fact !== "").join(" · ")}</span>
      </span>
    </a>
  );
}

/** The first page of a PDF; a symbol if it cannot be shown. */
function FirstPage({ fileId }: { fileId: string }) {
  const [isBroken, setBroken] = useState(false);
  if (isBroken) return <Icon name="page" />;
  return <img src={thumbnailOf(fileId, 128)} alt="" width={48} height={48} loading="lazy" onError={() => setBroken(true)} />;
}

/** Return the address of the bytes of a file that the service has. */
export const contentOf = (fileId: string): string => `api/files/${fileId}/content`;
