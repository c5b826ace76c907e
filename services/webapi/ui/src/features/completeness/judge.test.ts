import { describe, expect, it } from "vitest";
import type { CompletenessDay } from "@/api/types";
import { bySite, daysOf, isMonth, judge, monthBeside } from "./judge";

function day(changes: Partial<CompletenessDay>): CompletenessDay {
  return {
    site: { uid: "berlin", name: "Berlin" },
    day: "2026-11-20",
    heard: 10,
    journaled: 10,
    received: 10,
    parsed: 10,
    suspended: 0,
    duplicate: 0,
    merged: 9,
    rated: 9,
    unrated: 0,
    stored: 10,
    open: 0,
    balanced: true,
    difference: "",
    ...changes,
  };
}

describe("a day of a site", () => {
  it.each([
    ["whole", day({})],
    ["waiting", day({ suspended: 1 })],
    ["waiting", day({ open: 2 })],
    ["broken", day({ balanced: false, suspended: 1 })],
    ["not-over", day({ day: "2026-11-22" })],
    ["nothing", undefined],
  ])("is %s", (verdict, of) => {
    expect(judge(of, "2026-11-22")).toBe(verdict);
  });

  it("is never whole before it is over", () => {
    expect(judge(day({ day: "2026-11-23" }), "2026-11-22")).toBe("not-over");
  });
});

describe("the calendar", () => {
  it("has as many days as the month", () => {
    expect(daysOf("2026-11")).toHaveLength(30);
    expect(daysOf("2028-02").at(-1)).toBe("2028-02-29");
  });

  it("turns over the year", () => {
    expect(monthBeside("2026-01", -1)).toBe("2025-12");
    expect(monthBeside("2026-12", 1)).toBe("2027-01");
  });

  it("knows a month when it sees one", () => {
    expect(isMonth("2026-11")).toBe(true);
    expect(isMonth("2026-13")).toBe(false);
    expect(isMonth(undefined)).toBe(false);
  });

  it("has a row for each site, by name", () => {
    const lima = { uid: "a-lima", name: "Lima" };
    const rows = bySite([day({ site: lima }), day({}), day({ day: "2026-11-21" })]);
    expect(rows.map((row) => [row.site.name, row.days.size])).toEqual([
      ["Berlin", 2],
      ["Lima", 1],
    ]);
  });
});
