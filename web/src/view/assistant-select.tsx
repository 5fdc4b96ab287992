import { changeSession } from "../api.ts";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { reportFailure } from "../notice.ts";
import { words } from "../words.ts";

/** The assistant that answers in this session. Shown where there is a choice; changes count from the next message on. */
export function AssistantSelect({ app, conversation }: { app: App; conversation: Conversation }) {
  const assistants = useCell(app.assistants);
  const session = useCell(conversation.session);
  const isNew = useCell(conversation.isNew);
  const next = useCell(app.assistant);
  const chosen = isNew ? (app.findAssistant(next)?.name ?? "") : (session?.assistant ?? "");
  if (assistants.length < 2 || (!isNew && session === null)) return null;
  const isListed = assistants.some(({ name }) => name === chosen);
  const choose = async (assistant: string): Promise<void> => {
    if (isNew) app.chooseAssistant(assistant);
    else conversation.session.value = await changeSession(conversation.id, { assistant });
  };
  const onChange = ({ currentTarget }: preact.TargetedEvent<HTMLSelectElement>): void =>
    void choose(currentTarget.value).catch(reportFailure(words.assistantUnchanged));
  return (
    <select class="bar-select" aria-label={words.assistant} title={words.assistant} value={chosen} onChange={onChange}>
      {!isListed && <option value={chosen}>{words.notOffered(chosen)}</option>}
      {assistants.map(({ name }) => <option key={name} value={name}>{name}</option>)}
    </select>
  );
}
