import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/source-serif-4/wght.css";
import "@fontsource-variable/source-serif-4/wght-italic.css";
import "./style/base.css";
import "./style/page.css";
import "./style/thread.css";
import "./style/cards.css";
import { render } from "preact";
import { App } from "./app.ts";
import { copyText } from "./view/message.tsx";
import { Page } from "./view/page.tsx";

render(<Page app={new App()} />, document.getElementById("app")!);

// Code blocks are made by `markdown.ts`, not by Preact, so their copy buttons share one listener.
document.addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest(".copy-code") : null;
  const code = button?.closest("figure")?.querySelector("code");
  if (button && code) void copyText(code.textContent).then(() => (button.textContent = "Copied"));
});
