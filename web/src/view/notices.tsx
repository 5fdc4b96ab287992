import { useEffect, useState } from "preact/hooks";
import { useCell } from "../cell.ts";
import { dismissNotice, type Notice, notices } from "../notice.ts";
import { words } from "../words.ts";
import { IconButton } from "./icons.tsx";

/** The notices. They stay while the user points at one of them or has the focus in one. */
export function Notices() {
  const shown = useCell(notices);
  const [isInUse, setInUse] = useState(false);
  useEffect(() => (shown.length === 0 ? setInUse(false) : undefined), [shown]); // a removed button tells of no blur
  return (
    <div class="notice-place" role="status" onMouseEnter={() => setInUse(true)} onMouseLeave={() => setInUse(false)}
      onFocusIn={() => setInUse(true)} onFocusOut={() => setInUse(false)}>
      {shown.map((notice) => <NoticeView key={keyOf(notice)} notice={notice} isInUse={isInUse} />)}
    </div>
  );
}

function NoticeView({ notice, isInUse }: { notice: Notice; isInUse: boolean }) {
  useEffect(() => {
    if (isInUse) return;
    const timer = setTimeout(() => dismissNotice(notice), notice.durationMs);
    return () => clearTimeout(timer);
  }, [isInUse]);
  const press = (): void => {
    notice.button?.onClick();
    dismissNotice(notice);
  };
  return (
    <div class="notice">
      <span>{notice.text}</span>
      {notice.button && <button type="button" onClick={press}>{notice.button.label}</button>}
      <IconButton name="close" label={words.dismiss} onClick={() => dismissNotice(notice)} />
    </div>
  );
}

const keys = new WeakMap<Notice, number>();
let lastKey = 0;

/** Return a key of the notice's own, so that its time goes on when another one leaves. */
function keyOf(notice: Notice): number {
  if (!keys.has(notice)) keys.set(notice, ++lastKey);
  return keys.get(notice)!;
}
