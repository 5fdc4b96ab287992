import { useEffect, useRef, useState } from "preact/hooks";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import * as storage from "../storage.ts";

/**
 * Return the session's draft, and a function that changes and stores it. All new sessions share one stored draft.
 *
 * A draft has a text and, as JSON, files; each is stored under a name of its own.
 */
export function useDraft(conversation: Conversation, kind: "draft" | "draft-files"): readonly [string, (text: string) => void] {
  const isNew = useCell(conversation.isNew);
  const name = `${kind}.${isNew ? "new" : conversation.id}`;
  const [text, setText] = useState(() => storage.load(name) ?? "");
  const wasNew = useRef(isNew);
  useEffect(() => {
    if (wasNew.current && !isNew && text !== "") {
      storage.save(name, text);
      storage.removeIfEqual(`${kind}.new`, text); // it was written while the session was being created
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
