import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { reportFailure } from "../notice.ts";
import * as storage from "../storage.ts";
import { focusComposer } from "./focus.ts";
import { Icon } from "./icons.tsx";

/** The field for a new message, with its buttons. The text is stored as the session's draft until it is sent. */
export function Composer({ app, conversation }: { app: App; conversation: Conversation }) {
  const [text, changeText] = useDraft(conversation);
  const textarea = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => fitHeight(textarea.current!), [text]);
  useEffect(focusComposer, []);
  const send = (event: Event): void => {
    event.preventDefault();
    if (text.trim() === "") return;
    app.send(text);
    changeText("");
    textarea.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return (
    <form class="composer" onSubmit={send}>
      <textarea ref={textarea} rows={1} aria-label="Message" placeholder="Say something" dir="auto"
        enterkeyhint="send" value={text} onKeyDown={onKeyDown}
        onInput={(event) => changeText(event.currentTarget.value)} />
      <StopButton conversation={conversation} />
      <button type="submit" class="round main" aria-label="Send" title="Send (Enter)" disabled={text.trim() === ""}>
        <Icon name="send" />
      </button>
    </form>
  );
}

/** Return the session's draft, and a function that changes and stores it. All new sessions share one stored draft. */
function useDraft(conversation: Conversation): readonly [string, (text: string) => void] {
  const isNew = useCell(conversation.isNew);
  const name = `draft.${isNew ? "new" : conversation.id}`;
  const [text, setText] = useState(() => storage.load(name) ?? "");
  const wasNew = useRef(isNew);
  useEffect(() => {
    if (wasNew.current && !isNew && text !== "") {
      storage.removeIfEqual("draft.new", text); // it was written while the session was being created
      storage.save(name, text);
    }
    wasNew.current = isNew;
  }, [isNew]);
  const changeText = (newText: string): void => {
    setText(newText);
    if (newText === "") storage.removeIfEqual(name, text); // another tab may have stored its own draft there since
    else storage.save(name, newText);
  };
  return [text, changeText];
}

function StopButton({ conversation }: { conversation: Conversation }) {
  const run = useCell(conversation.openRun);
  if (run === null || run.isWaiting) return null;
  return (
    <button type="button" class="round stop" aria-label="Stop" title="Stop"
      onClick={() => void conversation.stop().catch(reportFailure("Could not stop"))}>
      <i />
    </button>
  );
}

/** Make the field as high as its text, in browsers that do not know `field-sizing`. */
function fitHeight(textarea: HTMLTextAreaElement): void {
  if (CSS.supports("field-sizing", "content")) return;
  textarea.style.height = "auto";
  textarea.style.height = `${textarea.scrollHeight}px`;
}
