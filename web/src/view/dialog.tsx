import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { words } from "../words.ts";
import { IconButton } from "./icons.tsx";

interface Props {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A dialog over the page, open for as long as it is drawn. The browser keeps the focus in it, and gives it back. */
export function Dialog({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current!.showModal(), []);
  const close = (): void => dialog.current!.close();
  const closeOutside = ({ target }: Event): void => (target === dialog.current ? close() : undefined);
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose} onClick={closeOutside}>
      <div class="dialog">
        <header>
          <h2>{title}</h2>
          <IconButton name="close" label={words.close} onClick={close} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
