// Diagrams: blocks of code in the language `mermaid`. On a click, a picture stands in the place of the source. A frame
// without an origin makes it (`diagram.ts`).

import { reportFailure } from "../notice.ts";
import type { DiagramAnswer, DiagramRequest } from "../diagram.ts";
import { words } from "../words.ts";

const MIN_HEIGHT_PX = 40;
const MAX_HEIGHT_PX = 2_000;

/** Show the picture of a diagram instead of its source, or its source again. */
export function toggleDiagram(button: HTMLElement): void {
  const figure = button.closest("figure")!;
  const box = figure.querySelector<HTMLElement>(".code")!;
  const frame = figure.querySelector("iframe");
  frame?.remove();
  box.hidden = frame === null;
  button.textContent = frame === null ? words.prose.source : words.prose.draw;
  if (frame !== null) return;
  const showSource = (error: unknown): void => {
    if (figure.querySelector("iframe") !== null) toggleDiagram(button);
    reportFailure(words.prose.drawingFailed)(error);
  };
  draw(box).catch(showSource);
}

/** Draw the diagram whose source is in `box` behind it. */
async function draw(box: HTMLElement): Promise<void> {
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: "./diagram", title: words.prose.diagram, height: String(MIN_HEIGHT_PX) });
  frame.setAttribute("sandbox", "allow-scripts");
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
  box.after(frame);
  await loaded;
  const answer = await ask(frame.contentWindow!, { source: box.textContent });
  if ("error" in answer) throw new Error(answer.error.slice(0, 300));
  frame.height = String(Math.min(Math.max(answer.height, MIN_HEIGHT_PX), MAX_HEIGHT_PX));
}

const ask = (frame: Window, request: DiagramRequest): Promise<DiagramAnswer> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<DiagramAnswer>) => resolve(data);
    frame.postMessage(request, "*", [port2]); // a frame without an origin has no address to name
  });
