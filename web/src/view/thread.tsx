import type { VNode } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { App } from "../app.ts";
import { groupByParent, listBranch } from "../branch.ts";
import { type Cell, useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { reportFailure } from "../notice.ts";
import type { Message } from "../../../clients/typescript/src/schema.ts";
import { words } from "../words.ts";
import { Icon } from "./icons.tsx";
import { MIN_MESSAGES } from "./letting-go.ts";
import { MessageView } from "./message.tsx";
import { OutboxItems, useOutboxItems } from "./outbox-items.tsx";
import { type ElementRef, useReveal, useScrollAnchor, useStablePosition, useStableVersions } from "./scrolling.ts";

/** The active branch, the outbox items that follow it, and suggested replies. Scrolling up loads older pages. */
export function Thread({ app, conversation }: { app: App; conversation: Conversation }) {
  const head = useCell(conversation.head);
  const hasOlder = useCell(conversation.olderCursor) !== null;
  const isBusy = useCell(conversation.openRun) !== null;
  const items = useOutboxItems(app, conversation);
  const { path, childIds } = useActiveBranch(conversation);
  const drawMessage = useMessageViews(app, conversation, path.length > MIN_MESSAGES);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [anchor, isAtEnd] = useScrollAnchor(scroller, content);
  useStablePosition(scroller, path[0]?.id);
  const onClickCapture = useStableVersions(content, anchor, head);
  useEffect(() => anchor.current?.scrollToEnd(), [items.length]); // the user has just sent one, and wants to see it
  useReveal(conversation, content);
  const loadOlder = (): void =>
    void conversation.loadOlder().catch(reportFailure(words.earlierMessagesFailed));
  const hasReplies = head !== null && !isBusy && items.length === 0 && conversation.tree.has(head);
  return (
    <>
      <div class="thread" ref={scroller} tabIndex={0} role="region" aria-label={words.messages}>
        <div class="column" ref={content} onClickCapture={onClickCapture}>
          {hasOlder && <OlderButton key={path.length} onLoad={loadOlder} scroller={scroller} />}
          {path.map(({ id, parent_id }) => drawMessage(id, id === head, childIds.get(parent_id) ?? [id]))}
          <OutboxItems app={app} conversation={conversation} />
          {hasReplies && <SuggestedReplies message={conversation.getMessage(head)} onSend={(text) => app.send(text)} />}
        </div>
      </div>
      {!isAtEnd && (
        <button type="button" class="to-end" onClick={() => anchor.current?.scrollToEnd()}>
          <Icon name="down" /> {words.latest}
        </button>
      )}
    </>
  );
}

/** Return the messages of the active branch, and the children of each message. */
function useActiveBranch(conversation: Conversation) {
  const version = useCell(conversation.treeVersion);
  const head = useCell(conversation.head);
  return useMemo(
    () => ({ path: listBranch(conversation.tree, head), childIds: groupByParent(conversation.tree) }),
    [version, head],
  );
}

type DrawMessage = (id: string, isLast: boolean, siblings: readonly string[]) => VNode;

/** Return a function that draws a message. The same arguments give the same node, which Preact does not look into. */
function useMessageViews(app: App, conversation: Conversation, isLong: boolean): DrawMessage {
  const drawn = useRef(new Map<string, { readonly key: string; readonly node: VNode }>());
  return (id, isLast, siblings) => {
    const key = `${isLong} ${isLast} ${siblings.join()}`;
    const known = drawn.current.get(id);
    if (known?.key === key) return known.node;
    const node = <MessageView key={id} {...{ app, conversation, id, isLast, isLong, siblings }} />;
    drawn.current.set(id, { key, node });
    return node;
  };
}

const PRELOAD_PX = 1_200;

/** Loads the next older page when pressed, and by itself when the reader scrolls near it. */
function OlderButton({ onLoad, scroller }: { onLoad: () => void; scroller: ElementRef }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && onLoad(), {
      root: scroller.current,
      rootMargin: `${PRELOAD_PX}px 0px 0px 0px`,
    });
    observer.observe(button.current!);
    return () => observer.disconnect();
  }, []);
  return <button type="button" class="quiet older" ref={button} onClick={onLoad}>{words.earlierMessages}</button>;
}

/** The replies that the model suggested in its last message, if any. */
function SuggestedReplies({ message, onSend }: { message: Cell<Message>; onSend: (text: string) => void }) {
  const part = useCell(message).parts.findLast((each) => each.type === "tool_call" && each.name === "suggest_replies");
  const replies = part?.type === "tool_call" && part.state === "succeeded" ? part.arguments?.["replies"] : undefined;
  if (!Array.isArray(replies)) return null;
  return (
    <div class="replies" role="group" aria-label={words.suggestedReplies}>
      {replies.filter((reply) => typeof reply === "string").map((reply) => (
        <button key={reply} type="button" dir="auto" onClick={() => onSend(reply)}>{reply}</button>
      ))}
    </div>
  );
}
