import { changeSession } from "../api.ts";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { reportFailure } from "../notice.ts";
import { words } from "../words.ts";

/** The model that answers in this session. Shown where there is a choice; changes count from the next message on. */
export function ModelSelect({ app, conversation }: { app: App; conversation: Conversation }) {
  const models = useCell(app.models);
  const session = useCell(conversation.session);
  const isNew = useCell(conversation.isNew);
  const nextModel = useCell(app.model);
  const chosen = isNew ? nextModel : (session?.model ?? null);
  if (models.length < 2 || (!isNew && session === null)) return null;
  const isListed = chosen === null || models.some(({ name }) => name === chosen);
  const choose = async (model: string | null): Promise<void> => {
    if (isNew) app.model.value = model;
    else conversation.session.value = await changeSession(conversation.id, { model });
  };
  const onChange = (event: Event): void => {
    const { value } = event.currentTarget as HTMLSelectElement;
    void choose(value || null).catch(reportFailure(words.modelUnchanged));
  };
  return (
    <select class="bar-select" aria-label={words.model} title={words.model} value={chosen ?? ""} onChange={onChange}>
      <option value="">{words.defaultModel}</option>
      {!isListed && <option value={chosen}>{words.notOffered(chosen)}</option>}
      {models.map(({ name }) => <option key={name} value={name}>{name}</option>)}
    </select>
  );
}
