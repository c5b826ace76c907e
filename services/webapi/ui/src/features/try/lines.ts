/** Receipt texts and durations as people write them; pure. */

export interface ReceiptLine {
  readonly label: string;
  readonly text: string;
}

const LABEL_LETTERS = 12;

/** Split a receipt into its labels and sentences; the headline says what the panel says already. */
export function linesOf(text: string): ReceiptLine[] {
  return text
    .split("\n")
    .slice(1)
    .map((line) => ({
      label: line.slice(0, LABEL_LETTERS).trim(),
      text: line.slice(LABEL_LETTERS).trim(),
    }));
}

/** `3:07`, `1:03:07`, `187` (seconds); null where it is none of these. */
export function millisecondsOf(text: string): number | null {
  const parts = text.trim().split(":");
  if (parts.length > 3 || parts.some((part) => !/^\d+$/.test(part))) {
    return null;
  }
  return parts.reduce((seconds, part) => seconds * 60 + Number(part), 0) * 1000;
}
