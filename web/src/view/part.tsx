import type { DocumentFields } from "../documents.ts";
import type { Part } from "../../../clients/typescript/src/events.ts";
import type { FilePart } from "../../../clients/typescript/src/schema.ts";
import { ToolCall } from "./calls.tsx";
import { Files } from "./files.tsx";
import { Prose } from "./prose.tsx";
import { Reasoning } from "./reasoning.tsx";
import { words } from "../words.ts";

interface Props {
  readonly part: Part;
  /** True while the part may grow. */
  readonly isLive: boolean;
  readonly onAnswer: (callId: string, output: unknown) => Promise<void>;
  readonly listDocuments: () => readonly DocumentFields[];
  /** Show a picture large. */
  readonly onShow: (file: FilePart) => void;
}

/** A part of an answer. */
export function PartView({ part, isLive, ...rest }: Props) {
  switch (part.type) {
    case "text":
    case "refusal":
      return <Prose text={part.text} isLive={isLive} />;
    case "reasoning":
      return part.text === "" ? null : <Reasoning text={part.text} isLive={isLive} />;
    case "tool_call":
      return (
        <>
          <ToolCall call={part} {...rest} />
          {part.files && <Files files={part.files} onShow={rest.onShow} />}
        </>
      );
    case "handover":
      return part.from === part.to ? null : <p class="handover soft">{words.handedOver(part.from, part.to)}</p>;
    case "file":
      return <Files files={[part]} onShow={rest.onShow} />;
    case "step":
      return null;
  }
}

/** A part as text: its own, or the arguments of a call. */
export function PlainPart({ part }: { part: Part }) {
  const text = part.type === "tool_call" ? part.arguments_text : "text" in part ? part.text : "";
  return <div class="prose"><p class="plain" dir="auto">{text}</p></div>;
}

/** True if a message shows no growing text, so that it needs a sign that the run continues. `part` is its last. */
export const isSilent = (part: Part | undefined): boolean =>
  part === undefined || part.type === "step" || part.type === "tool_call" || part.type === "handover";
