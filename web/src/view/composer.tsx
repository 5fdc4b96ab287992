import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { App } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation, ReturnedMessage } from "../conversation.ts";
import { isSendKey, sendsWithEnter } from "../keys.ts";
import { notify, reportFailure } from "../notice.ts";
import { settings } from "../settings.ts";
import { useDraft } from "./draft.ts";
import { FileChips, useDraftFiles, useUploadStates } from "./draft-files.tsx";
import { DropTarget, FileButton, takingFiles } from "./file-input.tsx";
import { focusComposer } from "./focus.ts";
import { Icon } from "./icons.tsx";
import { DictationButton } from "./speech-buttons.tsx";
import { words } from "../words.ts";

/** The service's own limit for a message: bytes of UTF-8. */
const MAX_MESSAGE_BYTES = 262_144;
const KB = 1_000;

/** The field for a new message, with its files and buttons. It is stored as the session's draft until it is sent. */
export function Composer({ app, conversation }: { app: App; conversation: Conversation }) {
  const [text, changeText] = useDraft(conversation, "draft");
  const { files, add, remove, set } = useDraftFiles(app, conversation);
  const textarea = useRef<HTMLTextAreaElement>(null);
  useCell(settings);
  useLayoutEffect(() => fitHeight(textarea.current!), [text]);
  useEffect(focusComposer, []);
  useReturned(conversation, (message) => {
    changeText([text, message.text].filter((each) => each !== "").join("\n\n"));
    set([...files, ...message.files]);
    textarea.current?.focus();
  });
  const hasRefusal = useUploadStates(app, files).some(({ refused }) => refused !== null);
  const isEmpty = text.trim() === "" && files.length === 0;
  const send = (event: Event): void => {
    event.preventDefault();
    if (isEmpty || hasRefusal || !isSendable(text)) return;
    app.send(text, undefined, files);
    changeText("");
    set([]);
    textarea.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isSendKey(event)) send(event);
  };
  const addFiles: typeof add = (chosen) => {
    add(chosen);
    focusComposer();
  };
  return (
    <form class="composer" onSubmit={send}>
      <DropTarget onFiles={addFiles} />
      <FileChips app={app} files={files} onRemove={remove} />
      <FileButton onFiles={addFiles} />
      <textarea ref={textarea} rows={1} aria-label={words.message} placeholder={words.saySomething} dir="auto"
        enterkeyhint={sendsWithEnter() ? "send" : "enter"} value={text} onKeyDown={onKeyDown}
        onPaste={takingFiles(addFiles)} onInput={(event) => changeText(event.currentTarget.value)} />
      <DictationButton text={text} onText={changeText} />
      <StopButton conversation={conversation} />
      <SendButton isDisabled={isEmpty || hasRefusal} hasRefusal={hasRefusal} />
    </form>
  );
}

function SendButton({ isDisabled, hasRefusal }: { isDisabled: boolean; hasRefusal: boolean }) {
  const title = sendsWithEnter() ? words.sendWithEnter : words.sendWithModEnter;
  return (
    <button type="submit" class="round main" aria-label={words.send} disabled={isDisabled}
      title={hasRefusal ? words.files.removeRefused : title}>
      <Icon name="send" />
    </button>
  );
}

/** Call `take` with a message that comes back to the composer. */
function useReturned(conversation: Conversation, take: (message: ReturnedMessage) => void): void {
  const returned = useCell(conversation.returned);
  useEffect(() => {
    if (returned === null) return;
    conversation.returned.value = null;
    take(returned);
  }, [returned]);
}

/** True if the service takes a text of this length; else the user reads why not, and keeps the text. */
export function isSendable(text: string): boolean {
  const { length } = new TextEncoder().encode(text);
  if (length > MAX_MESSAGE_BYTES) notify(words.tooLong(Math.ceil(length / KB), Math.floor(MAX_MESSAGE_BYTES / KB)));
  return length <= MAX_MESSAGE_BYTES;
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
