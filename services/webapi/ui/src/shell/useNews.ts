import { useEffect, useEffectEvent } from "react";
import { listen } from "@/api/events";

const LEAST_MS = 1_000;

/** Call back when calls came in, at most once a second. */
export function useNews(onCalls: () => void): void {
  const told = useEffectEvent(onCalls);
  useEffect(() => {
    let waiting: number | undefined;
    const stop = listen(() => {
      waiting ??= window.setTimeout(() => {
        waiting = undefined;
        told();
      }, LEAST_MS);
    });
    return () => {
      window.clearTimeout(waiting);
      stop();
    };
  }, []);
}
