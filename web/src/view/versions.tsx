import { IconButton } from "./icons.tsx";

interface Props {
  /** The name of the group, and those of its two buttons. */
  readonly labels: { readonly versions: string; readonly before: string; readonly next: string };
  /** The version that is shown, from 0. */
  readonly index: number;
  readonly count: number;
  /** True while it may not be changed. */
  readonly isBusy?: boolean;
  /** Called with -1 for the version before, with 1 for the next one. */
  readonly onStep: (step: number) => void;
}

/** Where one is among the versions of something, between two buttons that lead to the others. */
export function Versions({ labels, index, count, isBusy = false, onStep }: Props) {
  return (
    <div class="versions" role="group" aria-label={labels.versions}>
      <IconButton name="left" label={labels.before} onClick={() => onStep(-1)} disabled={index === 0 || isBusy} />
      <span>{index + 1}/{count}</span>
      <IconButton name="right" label={labels.next} onClick={() => onStep(1)} disabled={index === count - 1 || isBusy} />
    </div>
  );
}
