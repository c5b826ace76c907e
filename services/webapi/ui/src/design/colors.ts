/** Light or dark: the reader's choice, or the system's. Kept in the browser alone. */
export type ColorChoice = "system" | "light" | "dark";

const KEY = "bluewhale-theme";

export function keptColors(): ColorChoice {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function keepColors(choice: ColorChoice): void {
  if (choice === "system") {
    localStorage.removeItem(KEY);
  } else {
    localStorage.setItem(KEY, choice);
  }
}

export function shownColors(choice: ColorChoice): "light" | "dark" {
  if (choice !== "system") {
    return choice;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
