/** Durations as people write them; pure. */

/** `3:07`, `1:03:07`, `187` (seconds); null where it is none of these. */
export function millisecondsOf(text: string): number | null {
  const parts = text.trim().split(":");
  if (parts.length > 3 || parts.some((part) => !/^\d+$/.test(part))) {
    return null;
  }
  return parts.reduce((seconds, part) => seconds * 60 + Number(part), 0) * 1000;
}
