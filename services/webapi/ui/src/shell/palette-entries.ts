/** What the palette offers, and which of it fits what is typed. */

export interface PaletteEntry {
  /** Kept for "last used"; null = a thing with a name, which is kept nowhere. */
  readonly id: string | null;
  readonly group: string;
  readonly label: string;
  readonly to: string;
  readonly search?: Readonly<Record<string, string>>;
  readonly hash?: string;
}

export type Kind = "all" | "actions" | "people" | "ids";

const SIGNS: Readonly<Record<string, Kind>> = { ">": "actions", "@": "people", "#": "ids" };

/** Split what is typed into what is meant and the words: `>drain` asks for actions alone. */
export function meant(typed: string): { readonly kind: Kind; readonly words: string } {
  const kind = SIGNS[typed.trimStart().slice(0, 1)];
  return kind === undefined
    ? { kind: "all", words: typed.trim() }
    : { kind, words: typed.trimStart().slice(1).trim() };
}

/** Digits of a number or an extension as people type them; null = it is something else. */
export function digitsOf(words: string): string | null {
  const digits = words.replace(/[\s()/.-]/g, "");
  return /^\+?\d{3,}$/.test(digits) ? digits : null;
}

/** Ids of calls are 26 letters and digits; anything else may name a job. */
export function isCallId(words: string): boolean {
  return /^[a-z2-7]{26}$/.test(words);
}

/** Give what has every word, those first that begin with the first of them. */
export function fitting<Entry extends { readonly label: string }>(
  entries: readonly Entry[],
  words: string,
): Entry[] {
  const wanted = plain(words).split(/\s+/).filter(Boolean);
  const found = entries.filter((entry) =>
    wanted.every((word) => plain(entry.label).includes(word)),
  );
  const first = wanted[0] ?? "";
  const rank = (entry: Entry) => (plain(entry.label).startsWith(first) ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b));
}

function plain(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();
}

const KEY = "bluewhale-last-used";
const KEPT = 8;

/** What was opened last in this window: pages and actions, never a name or a number. */
export function lastUsed(): readonly string[] {
  const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  return Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : [];
}

export function noteUsed(id: string): void {
  const next = [id, ...lastUsed().filter((one) => one !== id)].slice(0, KEPT);
  sessionStorage.setItem(KEY, JSON.stringify(next));
}
