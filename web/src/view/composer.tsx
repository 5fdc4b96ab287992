import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { isSendKey, sendsWithEnter } from "../keys.ts";
import { notify, reportFailure } from "../notice.ts";
import { settings } from "../settings.ts";
import * as storage from "../storage.ts";
import { focusComposer } from "./focus.ts";
import { Icon } from "./icons.tsx";
import { DictationButton } from "./speech-buttons.tsx";
import { words } from "../words.ts";

/** The service's own limit for a message: bytes of UTF-8. */
const MAX_MESSAGE_BYTES = 262_144;
const KB = 1_000;

/** The field for a new message, with its buttons. The text is stored as the session's draft until it is sent. */
export function Composer({ app, conversation }: { app: App; conversation: Conversation }) {
  const [text, changeText] = useDraft(conversation);
  const textarea = useRef<HTMLTextAreaElement>(null);
  useCell(settings);
  useLayoutEffect(() => fitHeight(textarea.current!), [text]);
  useEffect(focusComposer, []);
  const returned = useCell(conversation.returnedText);
  useEffect(() => {
    if (returned === null) return;
    conversation.returnedText.value = null;
    changeText([text, returned].filter((each) => each !== "").join("\n\n"));
    textarea.current?.focus();
  }, [returned]);
  const send = (event: Event): void => {
    event.preventDefault();
    if (text.trim() === "" || !isSendable(text)) return;
    app.send(text);
    changeText("");
    textarea.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isSendKey(event)) send(event);
  };
  return (
    <form class="composer" onSubmit={send}>
      <textarea ref={textarea} rows={1} aria-label={words.message} placeholder={words.saySomething} dir="auto"
        enterkeyhint={sendsWithEnter() ? "send" : "enter"} value={text} onKeyDown={onKeyDown}
        onInput={(event) => changeText(event.currentTarget.value)} />
      <DictationButton text={text} onText={changeText} />
      <StopButton conversation={conversation} />
      <button type="submit" class="round main" aria-label={words.send} disabled={text.trim() === ""}
        title={sendsWithEnter() ? words.sendWithEnter : words.sendWithModEnter}>
        <Icon name="send" />
      </button>
    </form>
  );
}

/** True if the service takes a text of this length; else the user reads why not, and keeps the text. */
export function isSendable(text: string): boolean {
  const { length } = new TextEncoder().encode(text);
  if (length > MAX_MESSAGE_BYTES) notify(words.tooLong(Math.ceil(length / KB), Math.floor(MAX_MESSAGE_BYTES / KB)));
  return length <= MAX_MESSAGE_BYTES;
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
    <button type="button" class="round stop" aria-label={words.stop} title={words.stopWithEscape}
      onClick={() => void conversation.stop().catch(reportFailure(words.stoppingFailed))}>
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
