/** How much room there is; phone, side bar of icons, side bar with words. */
import { useSyncExternalStore } from "react";

export type Room = "phone" | "middle" | "wide";

const PHONE = "(max-width: 639px)";
const MIDDLE = "(max-width: 1023px)";

function room(): Room {
  return matchMedia(PHONE).matches ? "phone" : matchMedia(MIDDLE).matches ? "middle" : "wide";
}

function watch(changed: () => void): () => void {
  const queries = [matchMedia(PHONE), matchMedia(MIDDLE)];
  for (const query of queries) {
    query.addEventListener("change", changed);
  }
  return () => {
    for (const query of queries) {
      query.removeEventListener("change", changed);
    }
  };
}

export function useRoom(): Room {
  return useSyncExternalStore(watch, room);
}
