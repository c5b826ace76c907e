import { describe, expect, it } from "vitest";
import { digitsOf, fitting, isCallId, meant } from "./palette-entries";

describe("the palette", () => {
  it("takes a sign in front for the kind that is meant", () => {
    expect(meant("> drain")).toEqual({ kind: "actions", words: "drain" });
    expect(meant("@weber")).toEqual({ kind: "people", words: "weber" });
    expect(meant(" #replay-1 ")).toEqual({ kind: "ids", words: "replay-1" });
    expect(meant("weber")).toEqual({ kind: "all", words: "weber" });
  });

  it("reads a number as people type it", () => {
    expect(digitsOf("+34 915 550-100")).toBe("+34915550100");
    expect(digitsOf("214")).toBe("214");
    expect(digitsOf("21")).toBeNull();
    expect(digitsOf("214a")).toBeNull();
  });

  it("finds every word anywhere, without marks, and begins with what begins so", () => {
    const labels = ["Liste der Preise", "Preislisten", "Übersicht"].map((label) => ({ label }));
    expect(fitting(labels, "preis").map((one) => one.label)).toEqual([
      "Preislisten",
      "Liste der Preise",
    ]);
    expect(fitting(labels, "ubers")).toEqual([{ label: "Übersicht" }]);
    expect(fitting(labels, "preis uber")).toEqual([]);
    expect(fitting(labels, "")).toHaveLength(3);
  });

  it("knows the id of a call by its form", () => {
    expect(isCallId("ce7o4qlzvv6s2lhg4zjd6vrmyq")).toBe(true);
    expect(isCallId("replay-20261122-183706")).toBe(false);
  });
});
