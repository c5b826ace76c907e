import { describe, expect, it } from "vitest";
import type { RawField } from "@/api/types";
import { base64Of, bytesOf, editable, piecesOf, visible } from "./raw-bytes";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function field(from: number, to: number): RawField {
  return { name: "f", from, to, position: "", text: "", value: null, meaning: "", note: "" };
}

describe("raw bytes", () => {
  it("shows control characters as pictures", () => {
    expect(visible(bytes("a\u0000\t\r\n\u007f"))).toBe("a␀␉␍␊␡");
  });

  it("names marks that would turn the direction of text", () => {
    expect(visible(bytes("1\u202e2\u200f3"))).toBe("1[U+202E]2[U+200F]3");
  });

  it("leaves markup as text", () => {
    expect(visible(bytes("<b>214</b>"))).toBe("<b>214</b>");
  });

  it("gives every byte to exactly one piece", () => {
    expect(piecesOf(bytes("1121 140301 07"), [field(0, 4), field(5, 11)])).toEqual([
      { text: "1121", field: 0 },
      { text: " ", field: null },
      { text: "140301", field: 1 },
      { text: " 07", field: null },
    ]);
  });

  it("keeps the count of bytes where text is longer than its bytes say", () => {
    expect(piecesOf(bytes("ü1"), [field(2, 3)])).toEqual([
      { text: "ü", field: null },
      { text: "1", field: 0 },
    ]);
  });

  it("gives nothing for nothing", () => {
    expect(piecesOf(bytes(""), [])).toEqual([]);
  });

  it("lets text be edited only where a field would give back its bytes", () => {
    expect(editable(bytes("1121\tü"))).toBe("1121\tü");
    expect(editable(bytes("1121\r\n"))).toBeNull();
    expect(editable(Uint8Array.from([0x31, 0xfc]))).toBeNull();
  });

  it("gives edited text back as the bytes that it says", () => {
    expect(bytesOf(base64Of("1121 ü"))).toEqual(bytes("1121 ü"));
  });
});
