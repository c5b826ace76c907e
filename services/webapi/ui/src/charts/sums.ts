/** Sums of money side by side: a column for each price list and currency, never added up. */
import type { Price } from "@/api/types";

export interface SumColumn {
  readonly list: string;
  readonly currency: string;
}

export function sumsOf(groups: readonly { readonly money: readonly Price[] }[]): SumColumn[] {
  const found = new Map<string, SumColumn>();
  for (const price of groups.flatMap((group) => group.money)) {
    if (price.money !== null) {
      const { currency } = price.money;
      found.set(`${price.price_list} ${currency}`, { list: price.price_list, currency });
    }
  }
  return [...found.values()].sort(
    (a, b) => a.list.localeCompare(b.list) || a.currency.localeCompare(b.currency),
  );
}

export function amountIn(prices: readonly Price[], column: SumColumn): Price["money"] {
  const found = prices.find(
    (price) => price.price_list === column.list && price.money?.currency === column.currency,
  );
  return found?.money ?? null;
}
