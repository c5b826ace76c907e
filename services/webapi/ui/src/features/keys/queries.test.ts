import { describe, expect, it } from "vitest";
import type { Key } from "@/api/types";
import { stateOf } from "./queries";

const KEY: Key = {
  key_id: "k_0123456789abcdef",
  name: "nightly",
  role: "analyst",
  branch: { sites: null, departments: null },
  created_by: "ana",
  created_at: "2026-11-01T00:00:00.000Z",
  expires_at: "2026-12-01T00:00:00.000Z",
  ended_at: null,
  used_at: null,
};

describe("a key of a program", () => {
  it("holds until the instant it runs out at", () => {
    expect(stateOf(KEY, Date.parse("2026-11-30T23:59:59.999Z"))).toBe("holds");
    expect(stateOf(KEY, Date.parse("2026-12-01T00:00:00.000Z"))).toBe("run out");
  });

  it("stays ended, also after it would have run out", () => {
    const ended = { ...KEY, ended_at: "2026-11-02T00:00:00.000Z" };
    expect(stateOf(ended, Date.parse("2027-01-01T00:00:00.000Z"))).toBe("ended");
  });
});
