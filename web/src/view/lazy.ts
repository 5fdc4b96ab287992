import { useEffect, useState } from "preact/hooks";
import { reportFailure } from "../notice.ts";

/** Return a module that comes when it is used first; null until then. If it cannot be had, `onFail` is called. */
export function useLazy<T>(load: () => Promise<T>, failure: string, onFail: () => void): T | null {
  const [module, setModule] = useState<T | null>(null);
  useEffect(() => {
    load().then((loaded) => setModule(() => loaded), (error: unknown) => {
      reportFailure(failure)(error);
      onFail();
    });
  }, []);
  return module;
}
