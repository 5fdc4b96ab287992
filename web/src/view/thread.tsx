import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { App } from "../app.ts";
import { branch, children } from "../branch.ts";
import { type Cell, useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { saying } from "../notice.ts";
import { contentOf, type Letter } from "../outbox.ts";
import type { Message } from "../schema.ts";
import { Stick } from "../scroll.ts";
import { Icon } from "./icons.tsx";
import { MessageView } from "./message.tsx";

/** The active branch, what is on its way to it, and what may be said next. Older pages come when they are near. */
export function Thread({ app, conversation }: { app: App; conversation: Conversation }) {
  const shape = useCell(conversation.shape);
  const head = useCell(conversation.head);
  const older = useCell(conversation.older);
  const isBusy = useCell(conversation.open) !== null;
  const letters = useLetters(app, conversation);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [stick, isAtEnd] = useStick(scroller, content);
  const { path, families } = useMemo(
    () => ({ path: branch(conversation.tree, head), families: children(conversation.tree) }),
    [shape, head],
  );
  usePlace(scroller, path[0]?.id);
  const walking = useVersions(content, stick, head);
  useEffect(() => stick.current?.toEnd(), [letters.length]); // who says something wants to see it
  useWanted(conversation, content);
  const load = (): void => void conversation.loadOlder().catch(saying("Earlier messages could not be loaded"));
  return (
    <>
      <div class="thread" ref={scroller} tabIndex={0} role="region" aria-label="Messages">
        <div class="column" ref={content} onClickCapture={walking}>
          {older !== null && <Older key={path.length} load={load} scroller={scroller} />}
          {path.map(({ id, parent_id }) => (
            <MessageView key={id} id={id} app={app} conversation={conversation} isLast={id === head}
              siblings={families.get(parent_id) ?? [id]} />
          ))}
          <Letters app={app} conversation={conversation} />
          {head !== null && !isBusy && letters.length === 0 && conversation.tree.has(head) && (
            <Replies message={conversation.message(head)} say={(text) => app.send(text)} />
          )}
        </div>
      </div>
      {!isAtEnd && (
        <button type="button" class="to-end" onClick={() => stick.current?.toEnd()}>
          <Icon name="down" /> Latest
        </button>
      )}
    </>
  );
}

/** What was said in a session and the service does not have. */
export function Letters({ app, conversation }: { app: App; conversation: Conversation }) {
  return <>{useLetters(app, conversation).map((letter) => <Pending key={letter.key} app={app} letter={letter} />)}</>;
}

function useLetters(app: App, conversation: Conversation): readonly Letter[] {
  const letters = useCell(app.outbox.letters);
  const heard = useCell(app.outbox.heard);
  return letters.filter(({ key, session }) => session === conversation.id && !heard.has(key));
}

function useStick(scroller: { current: HTMLElement | null }, content: { current: HTMLElement | null }) {
  const [isAtEnd, setAtEnd] = useState(true);
  const stick = useRef<Stick>(null);
  useLayoutEffect(() => {
    stick.current = new Stick(scroller.current!, content.current!, setAtEnd);
    return () => stick.current?.end();
  }, []);
  return [stick, isAtEnd] as const;
}

/** Bring the message that was asked for into view, when it is there. */
function useWanted(conversation: Conversation, content: { current: HTMLElement | null }): void {
  const wanted = useCell(conversation.wanted);
  const shape = useCell(conversation.shape);
  useEffect(() => {
    const message = wanted && content.current?.querySelector<HTMLElement>(`[data-message="${wanted}"]`);
    if (!message) return;
    message.scrollIntoView({ block: "center" });
    message.tabIndex = -1;
    message.focus({ preventScroll: true });
    conversation.wanted.value = null;
  }, [wanted, shape]);
}

/** When messages come before the first one, what the reader looks at stays where it is. */
function usePlace(scroller: { current: HTMLElement | null }, first: string | undefined): void {
  const before = useRef<{ first: string | undefined; fromEnd: number }>({ first: undefined, fromEnd: 0 });
  const box = scroller.current;
  if (box) before.current.fromEnd = box.scrollHeight - box.scrollTop;
  useLayoutEffect(() => {
    const known = before.current;
    if (scroller.current && known.first !== undefined && known.first !== first)
      scroller.current.scrollTop = scroller.current.scrollHeight - known.fromEnd;
    known.first = first;
  }, [first]);
}

/** Who goes to another version of a message keeps it where it is, and the same control in hand. */
function useVersions(content: { current: HTMLElement | null }, stick: { current: Stick | null }, head: string | null) {
  const kept = useRef<{ index: number; top: number; label: string | null }>(null);
  const articles = (): HTMLElement[] => [...content.current!.querySelectorAll("article")];
  useLayoutEffect(() => {
    const article = articles()[kept.current?.index ?? -1];
    if (article === undefined) return;
    const { top, label } = kept.current!;
    kept.current = null;
    stick.current?.stay(article.getBoundingClientRect().top - top);
    const controls = [...article.querySelectorAll<HTMLElement>(".walk button:not(:disabled)")];
    (controls.find((control) => control.ariaLabel === label) ?? controls[0])?.focus({ preventScroll: true });
  }, [head]);
  return ({ target }: Event): void => {
    const control = target instanceof Element ? target.closest(".walk button") : null;
    const article = control?.closest("article");
    if (!article) return;
    kept.current = { index: articles().indexOf(article), top: article.getBoundingClientRect().top, label: control!.ariaLabel };
  };
}

function Older({ load, scroller }: { load: () => void; scroller: { current: HTMLElement | null } }) {
  const mark = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && load(), {
      root: scroller.current,
      rootMargin: "1200px 0px 0px 0px",
    });
    observer.observe(mark.current!);
    return () => observer.disconnect();
  }, []);
  return <button type="button" class="quiet older" ref={mark} onClick={load}>Earlier messages</button>;
}

/** What was said and the service does not have yet. */
function Pending({ app, letter }: { app: App; letter: Letter }) {
  const content = contentOf(letter);
  const isOnline = useOnline();
  const sending = letter.body.on_busy === "reject" ? "Will be sent after what was said before it." : "Sending…";
  const state = isOnline ? sending : "Will be sent when the network is back.";
  return (
    <article class="said pending">
      {content !== null && <h2 class="unseen">You said</h2>}
      {content !== null && <div class="bubble" dir="auto">{content}</div>}
      {letter.refused === null ? (
        <p class="soft delivery">{content === null ? "Asking again…" : state}</p>
      ) : (
        <div class="note" role="alert">
          <p>Not sent: {letter.refused}</p>
          <button type="button" onClick={() => app.outbox.retry(letter.key)}>Try again</button>
          <button type="button" class="quiet" onClick={() => app.outbox.remove(letter.key)}>Discard</button>
        </div>
      )}
    </article>
  );
}

function useOnline(): boolean {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = (): void => setOnline(navigator.onLine);
    addEventListener("online", look);
    addEventListener("offline", look);
    look(); // it may have changed before there was anybody to hear
    return () => {
      removeEventListener("online", look);
      removeEventListener("offline", look);
    };
  }, []);
  return isOnline;
}

/** What the model suggests to say next. */
function Replies({ message, say }: { message: Cell<Message>; say: (text: string) => void }) {
  const part = useCell(message).parts.findLast((each) => each.type === "tool_call" && each.name === "suggest_replies");
  const replies = part?.type === "tool_call" && part.state === "succeeded" ? part.arguments?.["replies"] : undefined;
  if (!Array.isArray(replies)) return null;
  return (
    <div class="replies" role="group" aria-label="Suggested replies">
      {replies.filter((reply) => typeof reply === "string").map((reply) => (
        <button key={reply} type="button" dir="auto" onClick={() => say(reply)}>{reply}</button>
      ))}
    </div>
  );
}
