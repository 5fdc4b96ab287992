import { useEffect, useState } from "preact/hooks";
import { get } from "../api.ts";
import { reportFailure } from "../notice.ts";
import type { PromptView } from "../../../clients/typescript/src/schema.ts";
import { words } from "../words.ts";
import { Dialog } from "./dialog.tsx";

/** The model's instructions for an answer, beside the messages: the system prompt, the functions, the parameters. */
export function PromptDialog({ runId, onClose }: { runId: string; onClose: () => void }) {
  const [prompt, setPrompt] = useState<PromptView | null>(null);
  useEffect(() => {
    get<PromptView>(`runs/${runId}/prompt`).then(setPrompt, (error: unknown) => {
      reportFailure(words.promptFailed)(error);
      onClose();
    });
  }, []);
  return (
    <Dialog title={words.showPrompt} onClose={onClose}>
      {prompt === null ? <p class="soft">…</p> : <Prompt prompt={prompt} />}
    </Dialog>
  );
}

const Prompt = ({ prompt }: { prompt: PromptView }) => (
  <>
    <h3>{words.promptOf(prompt.assistant)}</h3>
    <pre dir="auto">{prompt.prompt}</pre>
    <h3>{words.promptFunctions}</h3>
    {prompt.functions.length === 0 && <p class="soft">{words.none}</p>}
    {prompt.functions.map((each, index) => (
      <details key={index}>
        <summary>{nameOf(each)}</summary>
        <pre>{JSON.stringify(each, null, 2)}</pre>
      </details>
    ))}
    {Object.keys(prompt.params).length > 0 && (
      <>
        <h3>{words.promptParams}</h3>
        <pre>{JSON.stringify(prompt.params, null, 2)}</pre>
      </>
    )}
  </>
);

/** Return the name of a function as it was offered: at the top, or within `function`, as Chat Completions has it. */
function nameOf(definition: Readonly<Record<string, unknown>>): string {
  const inner = definition["function"] as { name?: unknown } | undefined;
  return String(definition["name"] ?? inner?.name ?? "?");
}
