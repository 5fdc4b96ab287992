import { sendsWithEnter } from "../keys.ts";
import { words } from "../words.ts";
import { Dialog } from "./dialog.tsx";

/** The list of the keys that `shortcuts.ts` listens to. */
export function KeysDialog({ onClose }: { onClose: () => void }) {
  const { keys } = words;
  const rows: [string, string][] = [
    [sendsWithEnter() ? "Enter" : "Ctrl Enter", keys.send],
    [sendsWithEnter() ? "Shift Enter" : "Enter", keys.newLine],
    ["Esc", keys.stop],
    ["↑", keys.editLast],
    ["Ctrl K", keys.search],
    ["Ctrl Shift O", keys.newChat],
    ["?", keys.help],
  ];
  return (
    <Dialog title={words.shortcuts} onClose={onClose}>
      <dl class="keys">
        {rows.map(([key, meaning]) => (
          <div key={meaning}>
            <dt>{key.split(" ").map((each) => <kbd key={each}>{each}</kbd>)}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
