import { describe, expect, it } from "vitest";
import { millisecondsOf } from "./durations";

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
