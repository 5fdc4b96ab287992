// Pictures, large: one at a time, with the keyboard, the mouse or a finger. Loaded when the first one is opened.

import "../style/viewer.css";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { FilePart } from "../../../clients/typescript/src/schema.ts";
import { fitInto, isShown } from "../files/format.ts";
import { type ShownPicture, shownPicture } from "../files/pictures.ts";
import { words } from "../words.ts";
import { contentOf } from "./files.tsx";
import { Icon, IconButton } from "./icons.tsx";
import { thumbnailOf } from "./preview.tsx";

/** How much a step of zooming makes a picture larger or smaller. */
const STEP = 1.25;
/** How much larger than the screen a picture can become. */
const MAX_SCALE = 8;
/** A wheel of a mouse turns by some hundred pixels at once, a finger on a trackpad by few. */
const MAX_WHEEL = 60;
const WHEEL_PER_FACTOR = 240;
const DOUBLE_CLICK_SCALE = 2.5;
/** The longest edge of a picture that the service makes of one that browsers do not read. */
const LARGEST_THUMBNAIL_PX = 1_024;

/** Space around a picture that is as large as the window. */
const MARGIN_PX = 16;

interface Props {
  readonly shown: ShownPicture;
  readonly onClose: () => void;
}

/** The viewer: arrow keys go from picture to picture, + - 0 zoom, Escape closes it. */
export function Viewer({ shown: { pictures, index }, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const picture = pictures[index]!;
  const zoom = useZoom(stage);
  useLayoutEffect(() => dialog.current!.showModal(), []);
  const step = (by: number): void => {
    if (!pictures[index + by]) return;
    zoom.reset();
    shownPicture.value = { pictures, index: index + by };
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const isScrolling = zoom.scale > 1; // arrows move a large picture
    const actions: Record<string, () => void> = {
      "+": () => zoom.by(STEP), "=": () => zoom.by(STEP), "-": () => zoom.by(1 / STEP), "0": zoom.reset,
      ...(isScrolling ? {} : { ArrowLeft: () => step(-1), ArrowRight: () => step(1) }),
    };
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  };
  return (
    <dialog ref={dialog} class="viewer" aria-label={words.files.viewer} onClose={onClose} onKeyDown={onKeyDown}>
      <header>
        <h2 dir="auto">{picture.name}</h2>
        {pictures.length > 1 && <p class="soft" role="status">{words.files.position(index + 1, pictures.length)}</p>}
        <IconButton name="minus" label={words.files.smaller} disabled={zoom.scale <= 1} onClick={() => zoom.by(1 / STEP)} />
        <button type="button" class="quiet" title={words.files.fit} onClick={zoom.reset}>
          {Math.round(zoom.scale * 100)} %
        </button>
        <IconButton name="plus" label={words.files.larger} disabled={zoom.scale >= MAX_SCALE} onClick={() => zoom.by(STEP)} />
        <a class="icon-button" href={contentOf(picture.file_id)} download={picture.name} aria-label={words.prose.download}
          title={words.prose.download}><Icon name="download" /></a>
        <IconButton name="close" label={words.close} onClick={() => dialog.current!.close()} />
      </header>
      <Stage stage={stage} picture={picture} zoom={zoom} onOutside={() => dialog.current!.close()} />
      {index > 0 && <StepButton name="left" label={words.files.before} onClick={() => step(-1)} />}
      {index < pictures.length - 1 && <StepButton name="right" label={words.files.next} onClick={() => step(1)} />}
    </dialog>
  );
}

const StepButton = ({ name, label, onClick }: { name: "left" | "right"; label: string; onClick: () => void }) => (
  <div class={`step ${name}`}><IconButton name={name} label={label} onClick={onClick} /></div>
);

interface Zoom {
  /** 1: as large as the stage has room for. */
  readonly scale: number;
  readonly by: (factor: number, at?: Point) => void;
  readonly reset: () => void;
}

/** A place on the screen. */
interface Point {
  readonly clientX: number;
  readonly clientY: number;
}

/** Zooming keeps what is under the mouse there, or else what is in the middle. */
function useZoom(stage: { readonly current: HTMLElement | null }): Zoom {
  const [scale, setScale] = useState(1);
  const restore = useRef<(() => void) | null>(null);
  useLayoutEffect(() => {
    restore.current?.();
    restore.current = null;
  }, [scale]);
  const by = (factor: number, at = middleOf(stage.current!)): void => {
    restore.current = holdPlace(stage.current!, at);
    setScale(Math.min(MAX_SCALE, Math.max(1, scale * factor)));
  };
  return { scale, by, reset: () => by(1 / scale) };
}

function middleOf(stage: HTMLElement): Point {
  const { left, top, width, height } = stage.getBoundingClientRect();
  return { clientX: left + width / 2, clientY: top + height / 2 };
}

/** Return a function that brings the part of the picture that is at a place now back to it, when its size has changed. */
function holdPlace(stage: HTMLElement, { clientX, clientY }: Point): () => void {
  const picture = stage.querySelector("img")!;
  const before = picture.getBoundingClientRect();
  const [x, y] = [(clientX - before.left) / before.width, (clientY - before.top) / before.height];
  return () => {
    const { left, top, width, height } = picture.getBoundingClientRect();
    stage.scrollBy(left + x * width - clientX, top + y * height - clientY);
  };
}

interface StageProps {
  readonly stage: { current: HTMLDivElement | null };
  readonly picture: FilePart;
  readonly zoom: Zoom;
  readonly onOutside: () => void;
}

/** The picture, in a box that scrolls when it is larger. */
function Stage({ stage, picture, zoom, onOutside }: StageProps) {
  const [room, setRoom] = useState<readonly [number, number]>([0, 0]);
  useLayoutEffect(() => {
    const measure = (): void => setRoom([stage.current!.offsetWidth, stage.current!.offsetHeight]);
    const observer = new ResizeObserver(measure);
    observer.observe(stage.current!);
    measure();
    return () => observer.disconnect();
  }, []);
  const onWheel = (event: WheelEvent): void => {
    event.preventDefault();
    zoom.by(Math.exp(-Math.max(-MAX_WHEEL, Math.min(MAX_WHEEL, event.deltaY)) / WHEEL_PER_FACTOR), event);
  };
  const onClick = ({ target }: MouseEvent): void => (target === stage.current ? onOutside() : undefined);
  const onDblClick = (event: MouseEvent): void => (zoom.scale > 1 ? zoom.reset() : zoom.by(DOUBLE_CLICK_SCALE, event));
  const [width, height] = fitInto(picture.width!, picture.height!, [room[0] - 2 * MARGIN_PX, room[1] - 2 * MARGIN_PX]);
  return (
    <div ref={stage} class={zoom.scale > 1 ? "stage large" : "stage"} tabIndex={0} autofocus role="group" aria-label={picture.name}
      onWheel={onWheel} onClick={onClick}>
      <img key={picture.file_id} src={isShown(picture.media_type) ? contentOf(picture.file_id) : thumbnailOf(picture.file_id, LARGEST_THUMBNAIL_PX)}
        alt={picture.name} width={Math.round(width * zoom.scale)} height={Math.round(height * zoom.scale)}
        draggable={false} onDblClick={onDblClick} onPointerDown={(event) => drag(stage.current!, event)} />
    </div>
  );
}

/** Move a large picture with the mouse. Fingers scroll it. */
function drag(stage: HTMLElement, { clientX, clientY, pointerType, button }: PointerEvent): void {
  if (pointerType !== "mouse" || button !== 0) return;
  const start = { left: stage.scrollLeft + clientX, top: stage.scrollTop + clientY };
  const move = (event: PointerEvent): void => stage.scrollTo(start.left - event.clientX, start.top - event.clientY);
  const end = new AbortController();
  addEventListener("pointermove", move, { signal: end.signal });
  addEventListener("pointerup", () => end.abort(), { once: true });
}
