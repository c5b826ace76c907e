/** What a day of a site is worth: pure, from its totals alone. */
import type { CompletenessDay, Name } from "@/api/types";

/** whole: all that was heard is in; not-over: the day runs on; waiting: some wait in suspense or for their call; broken: a sum does not hold; nothing: no record of that day. */
export type Verdict = "whole" | "not-over" | "waiting" | "broken" | "nothing";

export function judge(day: CompletenessDay | undefined, today: string): Verdict {
  if (day === undefined) {
    return "nothing";
  }
  if (!day.balanced) {
    return "broken";
  }
  if (day.suspended > 0 || day.open > 0) {
    return "waiting";
  }
  return day.day >= today ? "not-over" : "whole";
}

export interface SiteRow {
  readonly site: Name;
  readonly days: ReadonlyMap<string, CompletenessDay>;
}

export function bySite(days: readonly CompletenessDay[]): SiteRow[] {
  const rows = new Map<string, { site: Name; days: Map<string, CompletenessDay> }>();
  for (const day of days) {
    const row = rows.get(day.site.uid) ?? { site: day.site, days: new Map() };
    row.days.set(day.day, day);
    rows.set(day.site.uid, row);
  }
  return [...rows.values()].sort((a, b) =>
    (a.site.name ?? a.site.uid).localeCompare(b.site.name ?? b.site.uid),
  );
}

/** Give all days of a month: `2026-11` has thirty. */
export function daysOf(month: string): string[] {
  const [year, number] = month.split("-").map(Number);
  const length = new Date(Date.UTC(year ?? 1970, number ?? 1, 0)).getUTCDate();
  return Array.from({ length }, (_, day) => `${month}-${String(day + 1).padStart(2, "0")}`);
}

export function monthBeside(month: string, step: number): string {
  const [year, number] = month.split("-").map(Number);
  return new Date(Date.UTC(year ?? 1970, (number ?? 1) - 1 + step, 1)).toISOString().slice(0, 7);
}

export function isMonth(text: string | undefined): text is string {
  return text !== undefined && /^\d{4}-(0[1-9]|1[0-2])$/.test(text);
}
