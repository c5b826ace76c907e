import { describe, expect, it } from "vitest";
import { linesOf, millisecondsOf } from "./lines";

describe("a duration that somebody types", () => {
  it.each([
    ["3:07", 187_000],
    ["1:03:07", 3_787_000],
    [" 42 ", 42_000],
  ])("%s is understood", (text, ms) => {
    expect(millisecondsOf(text)).toBe(ms);
  });

  it.each(["", "three", "3:", "1:2:3:4", "-3"])("%s is refused", (text) => {
    expect(millisecondsOf(text)).toBeNull();
  });
});

describe("the text of a receipt", () => {
  it("is cut into labels and sentences, without its headline", () => {
    const text = [
      "0.3188 EUR, price list carrier",
      "Tariff      in force from 2025-01-01",
      "            without end",
    ].join("\n");
    expect(linesOf(text)).toEqual([
      { label: "Tariff", text: "in force from 2025-01-01" },
      { label: "", text: "without end" },
    ]);
  });
});
