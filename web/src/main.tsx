import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/source-serif-4/wght.css";
import "@fontsource-variable/source-serif-4/wght-italic.css";
import "./style/base.css";
import "./style/page.css";
import "./style/thread.css";
import "./style/prose.css";
import "./style/formula.css";
import "./style/cards.css";
import { render } from "preact";
import { App } from "./app.ts";
import { listenToProse } from "./markdown/buttons.ts";
import { applySettings, chooseLanguage, settings } from "./settings.ts";
import { Page } from "./view/page.tsx";
import { followViewport } from "./viewport.ts";
import { loadWords } from "./words.ts";

applySettings();
followViewport();
await loadWords(chooseLanguage());
const app = new App();
// Another language draws everything anew: what a component holds may be in the old one.
const draw = (): void => render(<Page key={document.documentElement.lang} app={app} />, document.getElementById("app")!);
settings.watch(() => void loadWords(chooseLanguage()).then(draw));
draw();

listenToProse();
