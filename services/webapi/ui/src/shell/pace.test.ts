import { describe, expect, it } from "vitest";
import { leftOf, noted, paceOf, type Samples } from "./pace";

function looks(...done: number[]): Samples {
  return done.reduce<Samples>(
    (before, count, index) =>
      noted(before, [{ name: "a", state: "running", done: count }], index * 1000),
    {},
  );
}

describe("the pace of a long work", () => {
  it("is not told from two looks", () => {
    expect(paceOf(looks(0, 100).a)).toBeNull();
  });

  it("is what was done by the time it took", () => {
    expect(paceOf(looks(0, 100, 300).a)).toBe(150);
  });

  it("is not told of a work that stands", () => {
    expect(paceOf(looks(7, 7, 7, 7).a)).toBeNull();
    expect(leftOf(looks(7, 7, 7, 7).a, 10)).toBeNull();
  });

  it("leaves a range as wide as the work was uneven", () => {
    const left = leftOf(looks(0, 100, 300).a, 1_300);
    expect(left?.least).toBeCloseTo(1_000 / 220, 5);
    expect(left?.most).toBeCloseTo(1_000 / 90, 5);
  });

  it("leaves nothing where the end is not known or reached", () => {
    expect(leftOf(looks(0, 100, 300).a, 0)).toBeNull();
    expect(leftOf(looks(0, 100, 300).a, 300)).toBeNull();
  });

  it("begins anew when a work rests or counts from the start", () => {
    const rested = noted(looks(0, 100, 200), [{ name: "a", state: "paused", done: 200 }], 3_000);
    expect(rested).toEqual({});
    const again = noted(looks(0, 100, 200), [{ name: "a", state: "running", done: 5 }], 3_000);
    expect(again.a).toEqual([
      { at: 0, done: 0 },
      { at: 3_000, done: 5 },
    ]);
  });

  it("forgets looks of half a minute ago", () => {
    const later = noted(looks(0, 100), [{ name: "a", state: "running", done: 900 }], 60_000);
    expect(later.a).toEqual([{ at: 60_000, done: 900 }]);
  });
});
