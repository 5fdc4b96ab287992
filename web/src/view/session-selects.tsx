import { changeSession } from "../api.ts";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { reportFailure } from "../notice.ts";
import { words } from "../words.ts";

/** The assistant that answers in this session. */
export function AssistantSelect({ app, conversation }: { app: App; conversation: Conversation }) {
  const names = useCell(app.assistants).map(({ name }) => name);
  const next = app.findAssistant(useCell(app.assistant))?.name ?? "";
  return (
    <SessionSelect field="assistant" conversation={conversation} names={names} next={next}
      onNext={(name) => app.chooseAssistant(name)} label={words.assistant} failure={words.assistantUnchanged} />
  );
}

/** The model that answers in this session; by default the assistant's, or the service's. */
export function ModelSelect({ app, conversation }: { app: App; conversation: Conversation }) {
  const names = useCell(app.models).map(({ name }) => name);
  const next = useCell(app.model) ?? "";
  return (
    <SessionSelect field="model" conversation={conversation} names={names} next={next} byDefault={words.defaultModel}
      onNext={(name) => void (app.model.value = name || null)} label={words.model} failure={words.modelUnchanged} />
  );
}

interface Props {
  readonly field: "assistant" | "model";
  readonly conversation: Conversation;
  /** The names that the service offers. */
  readonly names: readonly string[];
  /** The choice for the next new session; empty: the default. */
  readonly next: string;
  readonly onNext: (name: string) => void;
  /** The text of the default; without it one must choose a name. */
  readonly byDefault?: string;
  readonly label: string;
  readonly failure: string;
}

/** A field of the session, in the bar. Shown where there is a choice; changes count from the next message on. */
function SessionSelect({ field, conversation, names, next, onNext, byDefault, label, failure }: Props) {
  const session = useCell(conversation.session);
  const isNew = useCell(conversation.isNew);
  if (names.length < 2 || (!isNew && session === null)) return null;
  const chosen = isNew ? next : (session?.[field] ?? "");
  const isListed = names.includes(chosen) || (chosen === "" && byDefault !== undefined);
  const choose = async (name: string): Promise<void> => {
    if (isNew) onNext(name);
    else conversation.session.value = await changeSession(conversation.id, { [field]: name || null });
  };
  const onChange = ({ currentTarget }: preact.TargetedEvent<HTMLSelectElement>): void =>
    void choose(currentTarget.value).catch(reportFailure(failure));
  return (
    <select class="bar-select" aria-label={label} title={label} value={chosen} onChange={onChange}>
      {byDefault !== undefined && <option value="">{byDefault}</option>}
      {!isListed && <option value={chosen}>{words.notOffered(chosen)}</option>}
      {names.map((name) => <option key={name} value={name}>{name}</option>)}
    </select>
  );
}
