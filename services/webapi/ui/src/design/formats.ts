import { useLingui } from "@lingui/react";
import { useMemo } from "react";
import * as format from "./format";

/** The formats of `format.ts`, in the language of the page. */
export function useFormats() {
  const { i18n } = useLingui();
  const locale = i18n.locale;
  return useMemo(
    () => ({
      locale,
      count: (value: number) => format.count(locale, value),
      amount: (money: format.Money, places: format.Places) => format.amount(locale, money, places),
      duration: format.duration,
      durationInWords: (ms: number) => format.durationInWords(locale, ms),
      instant: (at: string, zone: string, style: format.InstantStyle) =>
        format.instant(locale, at, zone, style),
      day: (iso: string, options: Intl.DateTimeFormatOptions) => format.day(locale, iso, options),
      percent: (share: number) =>
        new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(share),
    }),
    [locale],
  );
}
