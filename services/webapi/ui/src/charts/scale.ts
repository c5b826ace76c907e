/** Where figures become pixels: the one place that turns an amount's text into a number. */

/** Give the share of a decimal text in a largest one, 0 to 1. */
export function toShare(value: string, largest: string): number {
  const whole = Number.parseFloat(largest);
  return whole > 0 ? Math.max(0, Math.min(1, Number.parseFloat(value) / whole)) : 0;
}

/** Give a round figure at or above a largest count: 1, 2, 5 and tens of them. */
export function roundAbove(largest: number): number {
  const ten = 10 ** Math.floor(Math.log10(Math.max(1, largest)));
  return [1, 2, 5, 10].map((step) => step * ten).find((step) => step >= largest) ?? ten * 10;
}
