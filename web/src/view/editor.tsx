import { useLayoutEffect, useRef } from "preact/hooks";
import { isSendKey, isTyped, sendsWithEnter } from "../keys.ts";
import { words } from "../words.ts";
import { isSendable } from "./composer.tsx";

interface Props {
  readonly text: string;
  /** True if the message says something without a text, by its files. */
  readonly mayBeEmpty: boolean;
  readonly onSend: (text: string) => void;
  readonly onCancel: () => void;
}

/** The field in which a message is edited. Escape leaves the message as it was. */
export function Editor({ text, mayBeEmpty, onSend, onCancel }: Props) {
  const textarea = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    textarea.current?.focus();
    textarea.current?.setSelectionRange(text.length, text.length);
  }, []);
  const submit = (event: Event): void => {
    event.preventDefault();
    const newText = textarea.current!.value;
    if ((mayBeEmpty || newText.trim() !== "") && isSendable(newText)) onSend(newText);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && isTyped(event)) onCancel();
    if (isSendKey(event)) submit(event);
  };
  return (
    <form class="editor" onSubmit={submit}>
      <textarea ref={textarea} aria-label={words.editMessage} dir="auto" defaultValue={text} onKeyDown={onKeyDown}
        enterkeyhint={sendsWithEnter() ? "send" : "enter"} />
      <div>
        <button type="button" class="quiet" onClick={onCancel}>{words.cancel}</button>
        <button type="submit" class="main">{words.send}</button>
      </div>
    </form>
  );
}
