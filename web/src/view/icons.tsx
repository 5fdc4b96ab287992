// Line icons, 20 by 20 units, in the colour of the text beside them.

const PATHS = {
  menu: "M3 6h14M3 10h14M3 14h14",
  plus: "M10 4v12M4 10h12",
  pencil: "M4 16l.8-3.2L13.6 4a1.4 1.4 0 0 1 2 0l.4.4a1.4 1.4 0 0 1 0 2L7.2 15.2 4 16z",
  bin: "M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10M8.5 9v4M11.5 9v4",
  copy: "M7 7V4h9v9h-3M4 7h9v9H4z",
  again: "M15.5 8.5A6 6 0 1 0 16 11M16 4.5v4h-4",
  send: "M10 16V4.5M5 9l5-5 5 5",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  down: "M10 4v11M5.5 10.5L10 15l4.5-4.5",
  close: "M5 5l10 10M15 5L5 15",
  info: "M10 9v5M10 6v.5M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 0 0 0-15z",
  more: "M4.5 9.4a.6.6 0 1 1 0 1.2a.6.6 0 1 1 0-1.2zM10 9.4a.6.6 0 1 1 0 1.2a.6.6 0 1 1 0-1.2zM15.5 9.4a.6.6 0 1 1 0 1.2a.6.6 0 1 1 0-1.2z",
  settings: "M3 6h7M14 6h3M3 14h3M10 14h7M12 4v4M8 12v4",
  keyboard: "M3 5.5h14v9H3zM6 8.5h.01M10 8.5h.01M14 8.5h.01M7 11.5h6",
  sound: "M4 8h2.5L10 5v10l-3.5-3H4zM12.5 8a3 3 0 0 1 0 4M14.5 6a6 6 0 0 1 0 8",
  mute: "M4 8h2.5L10 5v10l-3.5-3H4zM13 8l4 4M17 8l-4 4",
  download: "M10 3.5v9M6 9l4 4 4-4M4 16.5h12",
  microphone: "M10 2.5a2.5 2.5 0 0 0-2.5 2.5v4.5a2.5 2.5 0 0 0 5 0V5A2.5 2.5 0 0 0 10 2.5zM5 9.5a5 5 0 0 0 10 0M10 14.5v3",
  print: "M6 7V3.5h8V7M6 13.5H3.5V7h13v6.5H14M6 11h8v5.5H6z",
  person: "M10 10a3.5 3.5 0 1 0 0-7a3.5 3.5 0 0 0 0 7zM3.5 17a6.5 6.5 0 0 1 13 0",
  key: "M11.5 8.5L4 16v1.5h2.5V16H8v-1.5h1.5l2-2M13 11a4 4 0 1 0-4-4a4 4 0 0 0 4 4zM14.5 5.5h.01",
  chart: "M4 16.5h12M5.5 14v-4M10 14V4M14.5 14V7.5",
  leave: "M8 3.5H4v13h4M12.5 6.5L16 10l-3.5 3.5M16 10H8",
  clip: "M15.5 9.5l-5.6 5.6a3.2 3.2 0 0 1-4.5-4.5l6.3-6.3a2.2 2.2 0 0 1 3.1 3.1l-6.2 6.2a1.1 1.1 0 0 1-1.6-1.6l5.3-5.3",
  camera: "M3 6.5h3.5L8 4.5h4l1.5 2H17v9H3zM10 13.5a2.8 2.8 0 1 0 0-5.6a2.8 2.8 0 0 0 0 5.6z",
  page: "M5 2.5h6.5L15 6v11.5H5zM11.5 2.5V6H15M7.5 10h5M7.5 13h5",
  picture: "M3 4h14v12H3zM3 13.5l4-4 3.5 3.5 2.5-2.5 4 4M13 7.5h.01",
  minus: "M4 10h12",
  check: "M4 10.5l4 4 8-9",
} as const;

export type IconName = keyof typeof PATHS;

export const Icon = ({ name }: { name: IconName }) => (
  <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
    <path d={PATHS[name]} />
  </svg>
);

interface ButtonProps {
  readonly name: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly disabled?: boolean;
  /** A name by which code finds the button, whatever the language. */
  readonly action?: string;
  /** For a button that shows and hides something: true while it is shown. */
  readonly expanded?: boolean;
}

export const IconButton = (props: ButtonProps) => (
  <button type="button" class="icon-button" aria-label={props.label} title={props.label} onClick={props.onClick}
    data-action={props.action} disabled={props.disabled ?? false} aria-expanded={props.expanded}>
    <Icon name={props.name} />
  </button>
);
