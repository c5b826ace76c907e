/** Keys of the page: single letters and `g` followed by one, none while typing; `mod k` always. */
import { useEffect } from "react";

export type Keys = Readonly<Record<string, () => void>>;

const SECOND_KEY_MS = 1200;

let waiting: { prefix: string; until: number } | null = null;

const KEY = "bluewhale-letter-keys";

/** Say whether single letters do something: whoever dictates switches them off (WCAG 2.1.4). */
export function letterKeys(): boolean {
  return localStorage.getItem(KEY) !== "off";
}

export function keepLetterKeys(on: boolean): void {
  if (on) {
    localStorage.removeItem(KEY);
  } else {
    localStorage.setItem(KEY, "off");
  }
}

/** Bind keys as long as the component stands: `"/"`, `"?"`, `"g d"`, `"mod k"` (Ctrl or Cmd). */
export function useKeys(keys: Keys): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey) {
        return;
      }
      if (event.ctrlKey || event.metaKey) {
        const action = keys[`mod ${event.key.toLowerCase()}`];
        if (action !== undefined) {
          event.preventDefault();
          action();
        }
        return;
      }
      if (typing(event) || !letterKeys()) {
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
