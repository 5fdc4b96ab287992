import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport, lastAssistantMessageIsCompleteWithToolCalls } from "ai";
import { type FormEvent, useState } from "react";
import { Message } from "./message.tsx";
import { type ChatMessage, tools } from "./types.ts";

const transport = new DefaultChatTransport<ChatMessage>({ api: "/api/chat", body: { tools } });

export function Chat({ id, stored }: { id: string; stored: ChatMessage[] }) {
  const chat = useChat<ChatMessage>({
    id,
    messages: stored,
    transport,
    resume: true, // an answer that is being made goes on after a reload
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithToolCalls,
  });
  const [text, setText] = useState("");
  const [edited, setEdited] = useState<string | null>(null);
  const isBusy = chat.status === "submitted" || chat.status === "streaming";

  const send = (event: FormEvent): void => {
    event.preventDefault();
    if (!text.trim() || isBusy) return;
    void chat.sendMessage(edited === null ? { text } : { text, messageId: edited });
    setText("");
    setEdited(null);
  };
  const edit = (messageId: string, old: string): void => {
    setEdited(messageId);
    setText(old);
  };
  // `chat.stop()` would only stop reading: the answer belongs to the service, so the service is asked to stop it.
  const stop = (): void => void fetch(`/api/chat/${id}/stop`, { method: "POST" });

  return (
    <main>
      <a href="#">New chat</a>
      {chat.messages.map((message) => (
        <Message
          key={message.id}
          message={message}
          onColour={(toolCallId, colour) =>
            void chat.addToolOutput({ tool: "pick_colour", toolCallId, output: { colour } })
          }
          onEdit={isBusy ? null : edit}
          onRegenerate={isBusy ? null : () => void chat.regenerate({ messageId: message.id })}
        />
      ))}
      {chat.error && <p role="alert">{chat.error.message}</p>}
      <form onSubmit={send}>
        <input aria-label="Message" autoFocus value={text} onChange={(event) => setText(event.target.value)} />
        {isBusy ? (
          <button key="stop" type="button" onClick={stop}>
            Stop
          </button>
        ) : (
          <button key="send" type="submit">
            {edited === null ? "Send" : "Send again"}
          </button>
        )}
      </form>
    </main>
  );
}
