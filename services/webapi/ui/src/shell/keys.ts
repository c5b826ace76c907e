/** Keys of the page: single letters and `g` followed by one; none while typing. */
import { useEffect } from "react";

export type Keys = Readonly<Record<string, () => void>>;

const SECOND_KEY_MS = 1200;

let waiting: { prefix: string; until: number } | null = null;

/** Bind keys as long as the component stands: `"/"`, `"?"`, `"g d"`. */
export function useKeys(keys: Keys): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (
        event.defaultPrevented ||
        typing(event) ||
        event.ctrlKey ||
        event.metaKey ||
        event.altKey
      ) {
        return;
      }
      const prefix = waiting !== null && waiting.until > event.timeStamp ? waiting.prefix : null;
      const action = keys[prefix === null ? event.key : `${prefix} ${event.key}`];
      if (action !== undefined) {
        event.preventDefault();
        waiting = null;
        action();
      } else if (event.key === "g" && prefix === null) {
        waiting = { prefix: "g", until: event.timeStamp + SECOND_KEY_MS };
      }
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [keys]);
}

function typing(event: KeyboardEvent): boolean {
  const target = event.target;
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName))
  );
}
