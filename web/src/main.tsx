import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/source-serif-4/wght.css";
import "@fontsource-variable/source-serif-4/wght-italic.css";
import "./style/base.css";
import "./style/page.css";
import "./style/thread.css";
import "./style/prose.css";
import "./style/formula.css";
import "./style/cards.css";
import "./style/files.css";
import { render, type VNode } from "preact";
import { App } from "./app.ts";
import { listenToProse } from "./markdown/buttons.ts";
import { applySettings, chooseLanguage, settings } from "./settings.ts";
import { findFarewell } from "./sign-in.ts";
import { identifyUser } from "./user.ts";
import { Page } from "./view/page.tsx";
import { followViewport } from "./viewport.ts";
import { loadWords } from "./words.ts";

applySettings();
followViewport();
const [view] = await Promise.all([createView(), loadWords(chooseLanguage())]);
// Another language draws everything anew: what a component holds may be in the old one.
const draw = (): void => render(view(document.documentElement.lang), document.getElementById("app")!);
settings.watch(() => void loadWords(chooseLanguage()).then(draw));
draw();

listenToProse();

/** Return what draws the page, or the farewell of a user who has left. Its argument is the page's language. */
async function createView(): Promise<(language: string) => VNode> {
  const farewell = findFarewell();
  if (farewell === null) {
    const app = new App(await identifyUser());
    return (language) => <Page key={language} app={app} />;
  }
  const { FarewellPage } = await import("./view/account/farewell.tsx");
  return (language) => <FarewellPage key={language} farewell={farewell} />;
}
