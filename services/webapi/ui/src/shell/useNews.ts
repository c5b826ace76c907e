import { useEffect, useEffectEvent } from "react";
import { listen, type News } from "@/api/events";

const LEAST_MS = 1_000;

/** Call back when there is news of a kind (calls by default), at most once a second. */
export function useNews(onNews: () => void, kind: Exclude<News, "reset"> = "calls"): void {
  const told = useEffectEvent(onNews);
  useEffect(() => {
    let waiting: number | undefined;
    const stop = listen((news) => {
      if (news !== kind && news !== "reset") {
        return;
      }
      waiting ??= window.setTimeout(() => {
        waiting = undefined;
        told();
      }, LEAST_MS);
    });
    return () => {
      window.clearTimeout(waiting);
      stop();
    };
  }, [kind]);
}
