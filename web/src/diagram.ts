// The page in the frame of a diagram, `diagram.html`. It has no origin, may reach no host, and shares nothing with the
// page around it: the source of a diagram is hostile like all that a model writes, and Mermaid needs style attributes.
//
// It gets `DiagramRequest` in a message with a port, and answers through it with `DiagramAnswer`.

import libraryAddress from "@mermaid-js/tiny/dist/mermaid.tiny.js?url";

export interface DiagramRequest {
  readonly source: string;
}

/** The size of the picture in pixels, or why there is none. */
export type DiagramAnswer = { readonly height: number } | { readonly error: string };

interface Mermaid {
  initialize(options: object): void;
  render(id: string, source: string): Promise<{ svg: string }>;
}

/** A diagram is small; a long text would hold up the page around the frame, which may be in the same process. */
const MAX_SOURCE_CHARS = 20_000;

const loadLibrary = (): Promise<Mermaid> =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = libraryAddress;
    script.crossOrigin = "anonymous"; // a page without an origin may read it in no other way
    script.onload = () => resolve((globalThis as unknown as { mermaid: Mermaid }).mermaid);
    script.onerror = () => reject(new Error("the library could not be loaded"));
    document.head.append(script);
  });

async function draw({ source }: DiagramRequest): Promise<DiagramAnswer> {
  if (source.length > MAX_SOURCE_CHARS) return { error: "the diagram is too large" };
  try {
    const mermaid = await loadLibrary();
    const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "neutral";
    mermaid.initialize({ startOnLoad: false, securityLevel: "strict", theme, suppressErrorRendering: true });
    const { svg } = await mermaid.render("diagram", source);
    document.body.innerHTML = svg;
    return { height: Math.ceil(document.documentElement.getBoundingClientRect().height) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

addEventListener("message", ({ data, ports: [port] }: MessageEvent<DiagramRequest>) => {
  void draw(data).then((answer) => port?.postMessage(answer));
});
