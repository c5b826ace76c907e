import { describe, expect, it } from "vitest";
import { asPrinted } from "./queries";

describe("pasted lines", () => {
  it("end as a PBX ends them, the last one too", () => {
    expect(asPrinted("1121 0914\n1121 0931")).toBe("1121 0914\r\n1121 0931\r\n");
  });

  it("are not ended twice", () => {
    expect(asPrinted("1121 0914\r\n1121 0931\n")).toBe("1121 0914\r\n1121 0931\r\n");
  });

  it("keep their blanks: places count", () => {
    expect(asPrinted("  1121   ")).toBe("  1121   \r\n");
  });
});
