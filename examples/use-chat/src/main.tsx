// One chat: its id stands in the address, so a reload opens it again.

import { createRoot } from "react-dom/client";
import { Chat } from "./chat.tsx";
import type { ChatMessage } from "./types.ts";
import "./style.css";

const id = location.hash.slice(1) || crypto.randomUUID();
history.replaceState(null, "", `#${id}`);
addEventListener("hashchange", () => location.reload());

// The history, without an answer that is still being made: `resume` brings that one.
const response = await fetch(`/api/chat/${id}/messages`);
const messages: ChatMessage[] = response.ok ? await response.json() : [];
createRoot(document.getElementById("root")!).render(<Chat id={id} stored={messages} />);
