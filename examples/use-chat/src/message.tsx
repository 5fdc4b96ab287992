import { getToolName, isToolUIPart } from "ai";
import type { ChatMessage } from "./types.ts";

const COLOURS = ["red", "green", "blue"];
type Part = ChatMessage["parts"][number];

interface Actions {
  message: ChatMessage;
  onColour: (toolCallId: string, colour: string) => void;
  onEdit: ((messageId: string, text: string) => void) | null;
  onRegenerate: (() => void) | null;
}

export function Message({ message, onColour, onEdit, onRegenerate }: Actions) {
  const text = message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
  return (
    <article className={message.role} data-status={message.metadata?.status}>
      {message.parts.map((part, index) => (
        <PartView key={index} part={part} onColour={onColour} />
      ))}
      {message.role === "user" && onEdit && <button onClick={() => onEdit(message.id, text)}>Edit</button>}
      {message.role === "assistant" && onRegenerate && <button onClick={onRegenerate}>Answer again</button>}
    </article>
  );
}

function PartView({ part, onColour }: { part: Part; onColour: Actions["onColour"] }) {
  switch (part.type) {
    case "text":
      return <p>{part.text}</p>;
    case "reasoning":
      return (
        <details>
          <summary>Thoughts</summary>
          {part.text}
        </details>
      );
    case "data-handover":
      return <small>{`${part.data.to} went on`}</small>;
    case "tool-pick_colour":
      if (part.state !== "input-available") return <Call part={part} />;
      return (
        <fieldset>
          <legend>{part.input.question}</legend>
          {COLOURS.map((colour) => (
            <button key={colour} onClick={() => onColour(part.toolCallId, colour)}>
              {colour}
            </button>
          ))}
        </fieldset>
      );
    default:
      return isToolUIPart(part) ? <Call part={part} /> : null;
  }
}

/** A call of any function, with its output as it is. */
function Call({ part }: { part: Extract<Part, { toolCallId: string }> }) {
  const result = part.state === "output-available" ? JSON.stringify(part.output) : (part.errorText ?? "…");
  return <code>{`${getToolName(part)}: ${result}`}</code>;
}
