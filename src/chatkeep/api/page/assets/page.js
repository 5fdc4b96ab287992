const json = (url, options) => fetch(url, options).then(answer => answer.json());
const post = (url, body) => json(url, { method: "POST", headers: { "content-type": "application/json", prefer: "respond-async" }, body: JSON.stringify(body) });
const show = message => {                                      // draw a message, or draw it again
  const id = "m" + message.id, old = document.getElementById(id), box = document.createElement("div");
  box.id = id; box.className = "message " + message.role;
  for (const part of message.parts) {
    const child = box.appendChild(document.createElement(part.type === "tool_call" ? "pre" : "div"));
    child.textContent = part.type === "tool_call" ? part.name + " " + (part.arguments ? JSON.stringify(part.arguments, null, 2) : part.arguments_text) : part.text ?? "";
  }
  if (message.status === "failed" || message.status === "interrupted") box.append(` (${message.status})`);
  old ? old.replaceWith(box) : document.getElementById("messages").append(box);
};
const apply = (message, event) => {                            // the fold, as far as this page needs it
  if (event.message) return event.message;                     // run.started and run.finished bring it whole
  const part = message.parts[event.index];
  if (event.type === "text.delta") part ? part.text += event.text : message.parts[event.index] = { type: "text", text: event.text };
  if (event.type === "tool_call.started") message.parts[event.index] = { type: "tool_call", name: event.name, arguments_text: "" };
  if (event.type === "tool_call.delta") part.arguments_text += event.arguments_text;
  if (event.type === "step.started") message.parts[event.index] = { type: "step" };
  return message;
};
let id = localStorage.session;
if (!id || !(await fetch(`api/sessions/${id}`)).ok) id = localStorage.session = (await json("api/sessions", { method: "POST" })).id;
const history = await json(`api/sessions/${id}/messages`);
history.data.forEach(show);
let open = history.data.at(-1);
const feed = new EventSource(`api/sessions/${id}/events?after=${history.position}`);   // resumes by itself
feed.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.user_message) show(event.user_message);
  if (event.position) show(open = apply(open, event));
};
document.getElementById("form").onsubmit = submitted => {
  submitted.preventDefault();
  const text = document.getElementById("text");
  if (text.value.trim()) post(`api/sessions/${id}/messages`, { content: text.value, on_busy: "interrupt" });
  text.value = "";
};
