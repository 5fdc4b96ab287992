import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { type App, textOf } from "../app.ts";
import { useCell } from "../cell.ts";
import type { Conversation } from "../conversation.ts";
import { formatBriefly, formatFully } from "../dates.ts";
import { listDocuments } from "../documents.ts";
import { fromPart } from "../files/draft-file.ts";
import { showPicture } from "../files/pictures.ts";
import { hasEnded } from "../../../clients/typescript/src/events.ts";
import { reportFailure } from "../notice.ts";
import type { Message } from "../../../clients/typescript/src/schema.ts";
import { joinSeams } from "../seams.ts";
import { Boundary } from "./boundary.tsx";
import { CopyButton } from "./copy-button.tsx";
import { Editor } from "./editor.tsx";
import { Ending } from "./ending.tsx";
import { Files } from "./files.tsx";
import { focusComposer, refocus } from "./focus.ts";
import { IconButton } from "./icons.tsx";
import { useLettingGo } from "./letting-go.ts";
import { isSilent, PartView, PlainPart } from "./part.tsx";
import { RunFacts } from "./run-facts.tsx";
import { ReadAloudButton } from "./speech-buttons.tsx";
import { Versions } from "./versions.tsx";
import { words } from "../words.ts";

interface Props {
  readonly app: App;
  readonly conversation: Conversation;
  readonly id: string;
  /** The ids of all messages with the same parent, oldest first, including this one. */
  readonly siblings: readonly string[];
  readonly isLast: boolean;
}

/**
 * A message with its buttons. When it grows, only this component is drawn again, not the list around it. In a long
 * branch (`isLong`), its box is empty while it is far from the screen.
 */
export function MessageView({ isLong, ...props }: Props & { readonly isLong: boolean }) {
  const message = useCell(props.conversation.getMessage(props.id));
  const box = useRef<HTMLDivElement>(null);
  const height = useLettingGo(box, isLong && !props.isLast);
  const View = message.role === "user" ? UserMessage : Answer;
  const isDrawn = height === null;
  return (
    <div class="message" ref={box} style={isDrawn ? {} : { height: `${height}px` }}
      data-message={isDrawn ? undefined : message.id}>
      {isDrawn && <View {...props} message={message} />}
    </div>
  );
}

function UserMessage({ app, message, isLast, ...rest }: Props & { message: Message }) {
  const [isEditing, setEditing] = useState(false);
  const files = message.parts.filter((part) => part.type === "file");
  const article = useRef<HTMLElement>(null);
  const send = (text: string): void => {
    setEditing(false);
    app.send(text, message.parent_id, files.map(fromPart));
    focusComposer();
  };
  const refocusEdit = (): void => refocus(article.current?.querySelector("[data-action=edit]"));
  useLayoutEffect(() => (isEditing ? refocusEdit : undefined), [isEditing]);
  return (
    <article ref={article} class={isLast ? "user-message last" : "user-message"} data-message={message.id}>
      <h2 class="visually-hidden">{words.youSaid}</h2>
      <Files files={files} onShow={(file) => showPicture(rest.conversation, file)} />
      {isEditing ? (
        <Editor text={textOf(message)} mayBeEmpty={files.length > 0} onSend={send} onCancel={() => setEditing(false)} />
      ) : (
        textOf(message) !== "" && <Bubble text={textOf(message)} />
      )}
      <div class="actions">
        <VersionSwitch {...rest} />
        {textOf(message) !== "" && <CopyButton getText={() => textOf(message)} />}
        <IconButton name="pencil" label={words.edit} action="edit" onClick={() => setEditing(true)} />
        <Time time={message.created_at} />
      </div>
    </article>
  );
}

/** Messages that are longer are folded: what was pasted hides what was said. */
const MAX_BUBBLE_LINES = 20;
const MAX_BUBBLE_CHARS = 2_500;

function Bubble({ text }: { text: string }) {
  const [isFolded, setFolded] = useState(true);
  const isLong = text.length > MAX_BUBBLE_CHARS || text.split("\n", MAX_BUBBLE_LINES + 1).length > MAX_BUBBLE_LINES;
  return (
    <>
      <div class={isLong && isFolded ? "bubble folded" : "bubble"} dir="auto">{text}</div>
      {isLong && (
        <button type="button" class="quiet unfold" aria-expanded={!isFolded} onClick={() => setFolded(!isFolded)}>
          {isFolded ? words.showAll : words.showLess}
        </button>
      )}
    </>
  );
}

/** When a message was said. */
const Time = ({ time }: { time: string }) => (
  <time class="soft" dateTime={time} title={formatFully(time)}>{formatBriefly(time)}</time>
);

function Answer({ app, conversation, message, isLast, ...rest }: Props & { message: Message }) {
  const [hasFacts, setFacts] = useState(false);
  const isLive = !hasEnded(message.status);
  const isInProgress = message.status === "in_progress";
  const answerAgain = (): void => {
    app.answerAgain(message.parent_id!);
    focusComposer();
  };
  return (
    <article class={isLast ? "answer last" : "answer"} aria-busy={isInProgress} data-message={message.id}>
      <h2 class="visually-hidden">{words.assistantAnswered}</h2>
      {joinSeams(message.parts).map(({ index, part, isLast }) => (
        <Boundary key={index} fallback={<PlainPart part={part} />}>
          <PartView part={part} isLive={isLive && isLast}
            onAnswer={(callId, output) => conversation.answerCall(message.run_id!, callId, output)}
            listDocuments={() => listDocuments(conversation, message.id)}
            onShow={(file) => showPicture(conversation, file)} />
        </Boundary>
      ))}
      {isInProgress && isSilent(message.parts.at(-1)) && <p class="thinking"><i /><i /><i /></p>}
      {message.run_id && message.status !== "completed" && !isLive && (
        <Ending app={app} conversation={conversation} message={message} isLast={isLast}
          run={conversation.getRun(message.run_id)} attempts={rest.siblings.length} onAskAgain={answerAgain} />
      )}
      {!isLive && (
        <div class="actions">
          <VersionSwitch conversation={conversation} {...rest} />
          <CopyButton getText={() => textOf(message)} />
          <ReadAloudButton id={message.id} />
          <IconButton name="again" label={words.answerAgain} onClick={answerAgain} />
          {message.run_id && (
            <IconButton name="info" label={words.aboutAnswer} expanded={hasFacts} onClick={() => setFacts(!hasFacts)} />
          )}
          <Time time={message.created_at} />
        </div>
      )}
      {hasFacts && message.run_id && <RunFacts app={app} run={conversation.getRun(message.run_id)} />}
    </article>
  );
}

/** Switches between the siblings of a message. Not while a run is open, because its answer is on the active branch. */
function VersionSwitch({ conversation, id, siblings }: Pick<Props, "conversation" | "id" | "siblings">) {
  const isBusy = useCell(conversation.openRun) !== null;
  const index = siblings.indexOf(id);
  if (siblings.length < 2) return null;
  const switchBy = (step: number): void =>
    void conversation.switchBranch(siblings[index + step]!).catch(reportFailure(words.switchingFailed));
  const labels = { versions: words.versions, before: words.versionBefore, next: words.nextVersion };
  return <Versions labels={labels} index={index} count={siblings.length} isBusy={isBusy} onStep={switchBy} />;
}
