// Where the reader looks in the thread: at its end, at a message found by search, or at the place they scrolled to.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { ScrollAnchor } from "../scroll-anchor.ts";

/** A ref to an element, null until it is drawn. */
export type ElementRef = { readonly current: HTMLElement | null };
type AnchorRef = { readonly current: ScrollAnchor | null };

/** Keep the thread at its end. Returns the anchor, and whether the reader is at the end. */
export function useScrollAnchor(scroller: ElementRef, content: ElementRef): readonly [AnchorRef, boolean] {
  const [isAtEnd, setAtEnd] = useState(true);
  const anchor = useRef<ScrollAnchor>(null);
  useLayoutEffect(() => {
    anchor.current = new ScrollAnchor(scroller.current!, content.current!, setAtEnd);
    return () => anchor.current?.disconnect();
  }, []);
  return [anchor, isAtEnd];
}

/** Scroll to `messageToReveal` and focus it, as soon as it is drawn. */
export function useReveal(conversation: Conversation, content: ElementRef): void {
  const id = useCell(conversation.messageToReveal);
  const version = useCell(conversation.treeVersion);
  useEffect(() => {
    const message = id && content.current?.querySelector<HTMLElement>(`[data-message="${id}"]`);
    if (!message) return;
    message.scrollIntoView({ block: "center" });
    message.tabIndex = -1;
    message.focus({ preventScroll: true });
    conversation.messageToReveal.value = null;
  }, [id, version]);
}

/** Keep the visible messages in place when older ones are added above them. `first` is the first message's id. */
export function useStablePosition(scroller: ElementRef, first: string | undefined): void {
  const last = useRef<{ first: string | undefined; fromEnd: number }>({ first: undefined, fromEnd: 0 });
  const box = scroller.current;
  if (box) last.current.fromEnd = box.scrollHeight - box.scrollTop; // before the new messages are drawn
  useLayoutEffect(() => {
    const { first: lastFirst, fromEnd } = last.current;
    if (scroller.current && lastFirst !== undefined && lastFirst !== first)
      scroller.current.scrollTop = scroller.current.scrollHeight - fromEnd;
    last.current.first = first;
  }, [first]);
}

/**
 * When the user switches to another version of a message, keep it in place and the focus on the same button.
 *
 * Returns a click listener for `content`, which notes the place before the switch.
 */
export function useStableVersions(content: ElementRef, anchor: AnchorRef, head: string | null): (event: Event) => void {
  const clicked = useRef<{ index: number; top: number; label: string | null }>(null);
  const listArticles = (): HTMLElement[] => [...content.current!.querySelectorAll("article")];
  useLayoutEffect(() => {
    const article = listArticles()[clicked.current?.index ?? -1];
    if (article === undefined) return;
    const { top, label } = clicked.current!;
    clicked.current = null;
    anchor.current?.scrollBy(article.getBoundingClientRect().top - top);
    const buttons = [...article.querySelectorAll<HTMLElement>(".actions .versions button:not(:disabled)")];
    (buttons.find((button) => button.ariaLabel === label) ?? buttons[0])?.focus({ preventScroll: true });
  }, [head]);
  return ({ target }: Event): void => {
    const button = target instanceof Element ? target.closest(".actions .versions button") : null;
    const article = button?.closest("article");
    if (!article) return;
    const { top } = article.getBoundingClientRect();
    clicked.current = { index: listArticles().indexOf(article), top, label: button!.ariaLabel };
  };
}
