import { useEffect, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import { saying } from "../notice.ts";
import type { AssistantDetails } from "../schema.ts";

/** An empty session: who is there, and what one might begin with. */
export function Welcome({ app }: { app: App }) {
  const assistants = useCell(app.assistants);
  const wanted = useCell(app.assistant);
  const chosen = assistants.find(({ name }) => name === wanted) ?? assistants.find(({ name }) => name === "default") ?? assistants[0];
  const [starters, setStarters] = useState<readonly string[]>([]);
  useEffect(() => {
    if (chosen) get<AssistantDetails>(`assistants/${chosen.name}`).then((it) => setStarters(it.starters), saying("No suggestions"));
  }, [chosen?.name]);
  return (
    <div class="thread">
      <div class="welcome column">
        <p class="greeting">What’s on your mind?</p>
        {assistants.length > 1 && (
          <fieldset class="assistants">
            <legend class="soft">Talk to</legend>
            {assistants.map(({ name, description }) => (
              <label key={name}>
                <input type="radio" name="assistant" checked={name === chosen?.name} onChange={() => (app.assistant.value = name)} />
                <span><strong>{name}</strong><span class="soft">{description}</span></span>
              </label>
            ))}
          </fieldset>
        )}
        {assistants.length === 1 && <p class="soft">{chosen?.description}</p>}
        <div class="starters">
          {starters.map((starter) => (
            <button key={starter} type="button" dir="auto" onClick={() => app.send(starter)}>{starter}</button>
          ))}
        </div>
      </div>
    </div>
  );
}
