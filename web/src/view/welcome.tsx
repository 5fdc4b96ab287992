import { useEffect, useState } from "preact/hooks";
import { get } from "../api.ts";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import { reportFailure } from "../notice.ts";
import type { AssistantDetails } from "../../../clients/typescript/src/schema.ts";
import { words } from "../words.ts";

/** The provider's name where no model is connected. */
const PRACTICE_PROVIDER = "practice";

/** The view of a new session: a choice of assistants, and messages to start with. */
export function Welcome({ app }: { app: App }) {
  const assistants = useCell(app.assistants);
  const name = useCell(app.assistant);
  const assistant = app.findAssistant(name);
  const isPractice = useCell(app.models).some(({ provider }) => provider === PRACTICE_PROVIDER);
  const starters = useStarters(assistant?.name);
  return (
    <div class="thread">
      <div class="welcome column">
        <p class="greeting">{words.greeting}</p>
        {assistants.length > 1 && (
          <fieldset class="assistants">
            <legend class="soft">{words.talkTo}</legend>
            {assistants.map(({ name, description }) => (
              <label key={name}>
                <input type="radio" name="assistant" checked={name === assistant?.name}
                  onChange={() => app.chooseAssistant(name)} />
                <span><strong>{name}</strong><span class="soft">{description}</span></span>
              </label>
            ))}
          </fieldset>
        )}
        {assistants.length === 1 && <p class="soft">{assistant?.description}</p>}
        {isPractice && <p class="practice">{words.practiceModel}</p>}
        <div class="starters">
          {starters.map((starter) => (
            <button key={starter} type="button" dir="auto" onClick={() => app.send(starter)}>{starter}</button>
          ))}
        </div>
      </div>
    </div>
  );
}

/** Return the assistant's starters; empty until they are fetched. */
function useStarters(assistant: string | undefined): readonly string[] {
  const [starters, setStarters] = useState<readonly string[]>([]);
  useEffect(() => {
    if (assistant === undefined) return;
    const show = (details: AssistantDetails): void => setStarters(details.starters);
    get<AssistantDetails>(`assistants/${assistant}`).then(show, reportFailure(words.noSuggestions));
  }, [assistant]);
  return starters;
}
