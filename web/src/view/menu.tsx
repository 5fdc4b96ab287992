// A button with a menu of buttons. The browser's own popover closes it by Escape, by a click elsewhere and by another
// popover, and gives the focus back. Its items are plain buttons, one Tab apart: there are no roles to get wrong.

import { useId, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icons.tsx";

export interface MenuItem {
  readonly label: string;
  readonly icon: IconName;
  readonly onClick: () => void;
}

/** Space between the button and its menu. */
const GAP_PX = 4;

interface Props {
  /** The name of the button. */
  readonly label: string;
  readonly items: readonly MenuItem[];
  /** A text on the button, behind a symbol of its own. Without it, the button has the symbol of menus, or `icon`. */
  readonly text?: string;
  readonly icon?: IconName;
}

/** A menu. The items do what they say, and close it. */
export function Menu({ label, items, text, icon = "more" }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const popover = useRef<HTMLDivElement>(null);
  const onToggle = ({ newState }: preact.TargetedToggleEvent<HTMLDivElement>): void => {
    if (newState !== "open") return;
    place(popover.current!, button.current!);
    popover.current!.querySelector("button")?.focus();
  };
  const press = (item: MenuItem): void => {
    popover.current!.hidePopover();
    item.onClick();
  };
  return (
    <>
      <button ref={button} type="button" class={text ? "quiet account-button" : "icon-button"} aria-label={label}
        title={label} popovertarget={id}>
        <Icon name={text ? "person" : icon} />
        {text && <span dir="auto">{text}</span>}
      </button>
      <div ref={popover} id={id} class="menu" popover="auto" onToggle={onToggle}>
        {items.map((item) => (
          <button key={item.label} type="button" onClick={() => press(item)}>
            <Icon name={item.icon} /> {item.label}
          </button>
        ))}
      </div>
    </>
  );
}

/** Put the menu below its button, or above it where there is no room, with their ends in line; below a wide one their starts. */
function place(menu: HTMLElement, button: HTMLElement): void {
  const anchor = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const isRightToLeft = getComputedStyle(button).direction === "rtl";
  const isLeftInLine = isRightToLeft !== (anchor.width > width);
  const left = isLeftInLine ? anchor.left : anchor.right - width;
  const below = anchor.bottom + GAP_PX;
  const top = below + height <= innerHeight ? below : anchor.top - height - GAP_PX;
  menu.style.left = `${Math.max(GAP_PX, Math.min(left, innerWidth - width - GAP_PX))}px`;
  menu.style.top = `${Math.max(GAP_PX, top)}px`;
}
