import { useEffect, useRef, useState } from "preact/hooks";
import type { DraftFile } from "../files/draft-file.ts";
import { load } from "../files/kept-bytes.ts";
import { Icon } from "./icons.tsx";

/** The longer edge of a small picture, in pixels of the page. */
const EDGE_PX = 48;

/**
 * A small picture of a draft file, beside its name; or a symbol.
 *
 * While it is only in this browser, it is drawn on a canvas: the page's policy lets it show no picture that has no
 * address at the service.
 */
export function Preview({ file, fileId }: { file: DraftFile; fileId: string | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [isDrawn, setDrawn] = useState(false);
  const isPicture = file.media_type.startsWith("image/");
  useEffect(() => {
    if (isPicture && !file.isStored) void draw(file, canvas.current!).then(setDrawn);
  }, [file.key]);
  if (file.isStored && isPicture) return <img class="preview" src={thumbnailOf(fileId!, EDGE_PX * 2)} alt="" />;
  return (
    <span class="preview">
      {!isDrawn && <Icon name={isPicture ? "picture" : "page"} />}
      <canvas ref={canvas} hidden={!isDrawn} />
    </span>
  );
}

/** Return the address of a small picture of a file that the service has; `size` is its longer edge in pixels. */
export const thumbnailOf = (fileId: string, size: number): string => `api/files/${fileId}/thumbnail?size=${size}`;

/** Draw a kept file on a canvas, its middle as large as the box. Returns false for what is no picture that browsers read. */
async function draw(file: DraftFile, canvas: HTMLCanvasElement): Promise<boolean> {
  const bytes = await load(file.key);
  if (bytes === null) return false;
  try {
    const picture = await createImageBitmap(bytes);
    const edge = EDGE_PX * devicePixelRatio;
    const scale = edge / Math.min(picture.width, picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    canvas.width = canvas.height = edge;
    canvas.getContext("2d")?.drawImage(picture, (edge - width) / 2, (edge - height) / 2, width, height);
    picture.close();
    return true;
  } catch (error) {
    console.info("a picture is shown as a symbol:", error);
    return false;
  }
}
