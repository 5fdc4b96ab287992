import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { saying } from "../notice.ts";
import { drop, keep, recall } from "../shelf.ts";
import { focusComposer } from "./focus.ts";
import { Icon } from "./icons.tsx";

/** Where one writes. What is not sent is kept as a draft, a session each. */
export function Composer({ app, conversation }: { app: App; conversation: Conversation }) {
  const isNew = useCell(conversation.isNew);
  const draft = `draft.${isNew ? "new" : conversation.id}`;
  const [text, setText] = useState(() => recall(draft) ?? "");
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => fit(area.current!), [text]);
  const wasNew = useRef(isNew);
  useEffect(() => {
    if (wasNew.current && !isNew && text !== "") {
      drop("draft.new", text); // written while the session was being made
      keep(draft, text);
    }
    wasNew.current = isNew;
  }, [isNew]);
  useEffect(focusComposer, []);
  const write = (changed: string): void => {
    setText(changed);
    if (changed === "") drop(draft, text); // of two tabs with a new chat, one may have written there since
    else keep(draft, changed);
  };
  const send = (event: Event): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    app.send(text);
    write("");
    area.current?.focus();
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return (
    <form class="composer" onSubmit={send}>
      <textarea ref={area} rows={1} aria-label="Message" placeholder="Say something" dir="auto"
        enterkeyhint="send" value={text} onInput={(event) => write(event.currentTarget.value)} onKeyDown={press} />
      <Stop conversation={conversation} />
      <button type="submit" class="round main" aria-label="Send" title="Send (Enter)" disabled={text.trim() === ""}>
        <Icon name="send" />
      </button>
    </form>
  );
}

function Stop({ conversation }: { conversation: Conversation }) {
  const open = useCell(conversation.open);
  if (open === null || open.waits) return null;
  return (
    <button type="button" class="round stop" aria-label="Stop" title="Stop"
      onClick={() => void conversation.stop().catch(saying("Could not stop"))}>
      <i />
    </button>
  );
}

/** As high as its text, where the browser does not do that by itself. */
function fit(area: HTMLTextAreaElement): void {
  if (CSS.supports("field-sizing", "content")) return;
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}
