// Lets go of messages that are far from the screen, in long sessions.
//
// Each message keeps its box, as high as it was; what is in it is drawn again when the reader comes near. A message
// that is being edited, or has the focus, is kept, and all are drawn before the page is printed. In a session of usual
// length nothing is let go, so that the browser finds words in all of it.

import { useLayoutEffect, useState } from "preact/hooks";
import type { ElementRef } from "./scrolling.ts";

/** Shorter branches are kept as a whole. */
export const MIN_MESSAGES = 200;
/** A message is drawn while it is nearer to the screen than this. */
const NEAR_PX = 6_000;

type Listener = (isNear: boolean, height: number) => void;
const listeners = new WeakMap<Element, Listener>();
const observers = new WeakMap<Element, IntersectionObserver>();

/** Return the observer of all messages in a scroller. */
function observerOf(scroller: Element): IntersectionObserver {
  const known = observers.get(scroller);
  if (known) return known;
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting, boundingClientRect } of entries)
        listeners.get(target)?.(isIntersecting, boundingClientRect.height);
    },
    { root: scroller, rootMargin: `${NEAR_PX}px 0px` },
  );
  observers.set(scroller, observer);
  return observer;
}

/** Return the height of a message that is let go, otherwise null. `isLong`: the branch has many messages. */
export function useLettingGo(box: ElementRef, isLong: boolean): number | null {
  const [height, setHeight] = useState<number | null>(null);
  useLayoutEffect(() => {
    const element = box.current;
    const scroller = element?.closest(".thread");
    if (!element || !scroller || !isLong) return setHeight(null);
    const observer = observerOf(scroller);
    listeners.set(element, (isNear, last) => {
      const isInUse = element.contains(document.activeElement) || element.querySelector(".editor") !== null;
      setHeight(isNear || isInUse ? null : last);
    });
    observer.observe(element);
    const draw = (): void => setHeight(null); // Preact draws it before the browser prints
    addEventListener("beforeprint", draw);
    return () => {
      observer.unobserve(element);
      removeEventListener("beforeprint", draw);
    };
  }, [isLong]);
  return height;
}
