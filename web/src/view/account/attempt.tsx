import { useState } from "preact/hooks";
import { describeFailure } from "../../notice.ts";

/** Runs `action`. If it fails, `summary` and the reason are shown. */
export type Attempt = (summary: string, action: () => Promise<void>) => void;

/**
 * Return a function that runs an action, the place where its failure is shown, and true while it runs. The notices at
 * the edge of the page are no such place for a dialog: it covers them.
 */
export function useAttempt() {
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const attempt: Attempt = (summary, action) => {
    setFailure(null);
    setBusy(true);
    action()
      .catch((error: unknown) => setFailure(describeFailure(summary, error)))
      .finally(() => setBusy(false));
  };
  return [attempt, <p class="failure" role="alert">{failure}</p>, isBusy] as const;
}
