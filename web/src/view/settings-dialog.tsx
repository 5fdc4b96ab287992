import { useCell } from "../cell.ts";
import { hasKeyboard } from "../keys.ts";
import { changeSettings, CHOICES, type Settings, settings } from "../settings.ts";
import { LANGUAGES, words } from "../words.ts";
import { ArchiveButtons } from "./archive-buttons.tsx";
import { Dialog } from "./dialog.tsx";

/** The settings of this browser. A change counts at once. */
export function SettingsDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={words.settings} onClose={onClose}>
      <Choice name="theme" label={words.theme} texts={words.themes} />
      <Choice name="textSize" label={words.textSize} texts={words.textSizes} />
      {hasKeyboard() && <Choice name="sendKey" label={words.sendKey} texts={words.sendKeys} />}
      <Choice name="language" label={words.language} texts={{ system: words.systemLanguage, ...LANGUAGES }} />
      <ArchiveButtons />
    </Dialog>
  );
}

interface ChoiceProps {
  readonly name: keyof Settings;
  readonly label: string;
  readonly texts: Readonly<Record<string, string>>;
}

function Choice({ name, label, texts }: ChoiceProps) {
  const change = (value: string): void => changeSettings({ [name]: value });
  return (
    <label class="choice">
      <span>{label}</span>
      <select value={useCell(settings)[name]} onChange={({ currentTarget }) => change(currentTarget.value)}>
        {CHOICES[name].map((value) => <option key={value} value={value}>{texts[value]}</option>)}
      </select>
    </label>
  );
}
