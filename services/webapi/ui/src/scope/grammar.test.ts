import { describe, expect, it } from "vitest";
import { addressOf, parseScope, printScope, scopeOf, typed, withTerm } from "./grammar";

describe("the address grammar", () => {
  it.each([
    "site=berlin,madrid&cost>=1&number=+34915550100&from=2026-11-01&to=2026-12-01",
    "site!=lima&text~=front%20desk&trunk^=SIP",
    "period=last-7d&tz=Europe/Berlin",
    "text~=a%26b%3Dc%2Cd",
  ])("says %s again as it was read", (text) => {
    expect(printScope(parseScope(text))).toBe(text);
  });

  it("keeps numbers and names of people out of what servers see", () => {
    const scope = parseScope("site=berlin&number=+34915550100&text~=Weber");
    expect(addressOf(scope)).toEqual({
      search: "site=berlin",
      hash: "number=+34915550100&text~=Weber",
    });
    expect(scopeOf(addressOf(scope))).toEqual(scope);
  });

  it("reads a plus as a plus, not as a blank", () => {
    expect(parseScope("number=+34915550100")[0]?.values).toEqual(["+34915550100"]);
  });

  it("keeps a damaged escape as it stands", () => {
    expect(parseScope("site=%E4%")[0]?.values).toEqual(["%E4%"]);
  });

  it("reads the signs before the equals sign as the operator", () => {
    expect(parseScope("cost>=1&cost<=5&site!=a&text~=b&trunk^=c")).toEqual([
      { field: "cost", operator: ">=", values: ["1"] },
      { field: "cost", operator: "<=", values: ["5"] },
      { field: "site", operator: "!=", values: ["a"] },
      { field: "text", operator: "~=", values: ["b"] },
      { field: "trunk", operator: "^=", values: ["c"] },
    ]);
  });

  it("takes a term away when nothing is left of it", () => {
    expect(withTerm(parseScope("site=berlin&class=mobile"), "site", "=", [])).toEqual(
      parseScope("class=mobile"),
    );
  });

  it("takes digits as a number and words as text", () => {
    expect(typed("+34 915 550-100")).toEqual({
      field: "number",
      operator: "=",
      values: ["+34915550100"],
    });
    expect(typed("Weber")).toEqual({ field: "text", operator: "~=", values: ["Weber"] });
    expect(typed("  ")).toBeNull();
  });
});
