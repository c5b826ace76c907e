/** Bytes of a PBX made safe and visible: control characters as pictures, bidi marks by name. */
import type { RawField } from "@/api/types";

export interface Piece {
  readonly text: string;
  /** Index of the field that these bytes are of; null = of none. */
  readonly field: number | null;
}

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Cut the record where fields begin and end; every byte is in exactly one piece. */
export function piecesOf(bytes: Uint8Array, fields: readonly RawField[]): Piece[] {
  const owner = new Array<number | null>(bytes.length).fill(null);
  for (const [index, field] of fields.entries()) {
    if (field.from !== null && field.to !== null) {
      owner.fill(index, field.from, field.to);
    }
  }
  const pieces: Piece[] = [];
  let begin = 0;
  for (let at = 1; at <= bytes.length; at++) {
    if (at === bytes.length || owner[at] !== owner[begin]) {
      pieces.push({ text: visible(bytes.subarray(begin, at)), field: owner[begin] ?? null });
      begin = at;
    }
  }
  return pieces;
}

const PICTURES = 0x2400;
const DELETE_PICTURE = "␡";

/** Give bytes as text in which nothing is hidden. */
export function visible(bytes: Uint8Array): string {
  const text = new TextDecoder("utf-8").decode(bytes);
  return [...text].map(pictured).join("");
}

function pictured(letter: string): string {
  const code = letter.codePointAt(0) ?? 0;
  if (code < 0x20) {
    return String.fromCodePoint(PICTURES + code);
  }
  if (code === 0x7f) {
    return DELETE_PICTURE;
  }
  const hidden =
    (code >= 0x80 && code < 0xa0) ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    code === 0x061c ||
    code === 0xfeff;
  return hidden ? `[U+${code.toString(16).toUpperCase().padStart(4, "0")}]` : letter;
}

/** Give a record as text that can be edited; null where a text field would change its bytes. */
export function editable(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return [...text].every((letter) => letter === "\t" || letter === pictured(letter))
      ? text
      : null;
  } catch {
    return null;
  }
}

export function base64Of(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
