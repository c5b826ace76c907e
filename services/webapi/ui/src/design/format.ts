/**
 * Figures, money, instants and durations as people read them.
 *
 * Money is text from the wire to the screen: `Intl` keeps every digit of a text and loses them of
 * a number. Nothing here adds or compares.
 */
export interface Money {
  readonly amount: string;
  readonly currency: string;
}

/** Which zone instants are told in: that of the call's site, the reader's, or a named one. */
export type ZoneChoice = "site" | "me" | (string & {});

type Decimal = `${number}`;

const cache = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numbers(locale: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n${locale}${JSON.stringify(options)}`;
  const kept = cache.get(key);
  if (kept instanceof Intl.NumberFormat) {
    return kept;
  }
  const made = new Intl.NumberFormat(locale, options);
  cache.set(key, made);
  return made;
}

function instants(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `d${locale}${JSON.stringify(options)}`;
  const kept = cache.get(key);
  if (kept instanceof Intl.DateTimeFormat) {
    return kept;
  }
  const made = new Intl.DateTimeFormat(locale, options);
  cache.set(key, made);
  return made;
}

export function count(locale: string, value: number): string {
  return numbers(locale, { maximumFractionDigits: 0 }).format(value);
}

const PLACES_OF_ENDLESS = 6;
const EVERY_PLACE = {
  minimumFractionDigits: PLACES_OF_ENDLESS,
  maximumFractionDigits: PLACES_OF_ENDLESS,
};

/** How the digits of an exact fraction begin, `7/15` as `0.466666`: they do not end. */
function decimalsOf(text: string): Decimal | null {
  const [, sign = "", above, below] = /^(-?)(\d+)\/([1-9]\d*)$/.exec(text) ?? [];
  if (above === undefined || below === undefined) {
    return null;
  }
  const digits = ((BigInt(above) * 10n ** BigInt(PLACES_OF_ENDLESS)) / BigInt(below))
    .toString()
    .padStart(PLACES_OF_ENDLESS + 1, "0");
  const begun = `${sign}${digits.slice(0, -PLACES_OF_ENDLESS)}.${digits.slice(-PLACES_OF_ENDLESS)}`;
  return isDecimal(begun) ? begun : null;
}

function isDecimal(text: string): text is Decimal {
  return /^-?\d+(\.\d+)?$/.test(text);
}

/** How many places people expect of a currency: EUR 2, JPY 0, KWD 3. */
function placesOf(currency: string): number {
  return (
    numbers("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2
  );
}

export type Places = "total" | "charge" | "exact";

/**
 * Give the figure of an amount without its currency.
 *
 * A total has the places of its currency; a charge two more, so that decimal points stand under
 * each other; an exact figure all that are not zero. What would lose a digit gets more places, and
 * a fraction whose digits do not end is shown by the first of them.
 */
export function amount(locale: string, money: Money, places: Places): string {
  if (!isDecimal(money.amount)) {
    const begun = places === "exact" ? null : decimalsOf(money.amount);
    return begun === null ? money.amount : `${numbers(locale, EVERY_PLACE).format(begun)}…`;
  }
  const own = isCurrency(money.currency) ? placesOf(money.currency) : 2;
  const least = places === "charge" ? own + 2 : own;
  const most = places === "total" ? own : Math.max(least, significantPlaces(money.amount));
  return numbers(locale, {
    minimumFractionDigits: least,
    maximumFractionDigits: most,
  }).format(money.amount);
}

function significantPlaces(decimal: string): number {
  return decimal.split(".")[1]?.replace(/0+$/, "").length ?? 0;
}

function isCurrency(code: string): boolean {
  return /^[A-Z]{3}$/.test(code);
}

/** `1:03:07` and `3:07`; whole seconds, cut. */
export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  const hours = Math.floor(seconds / 3600);
  const [minutes, rest] = parts.map((part) => String(part).padStart(2, "0"));
  return hours > 0 ? `${hours}:${minutes}:${rest}` : `${parts[0]}:${rest}`;
}

/** The same for ears: "3 minutes, 7 seconds". */
export function durationInWords(locale: string, ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const units: [number, string][] = [
    [Math.floor(seconds / 3600), "hour"],
    [Math.floor(seconds / 60) % 60, "minute"],
    [seconds % 60, "second"],
  ];
  const said = units
    .filter(([value, unit]) => value > 0 || (unit === "second" && seconds === 0))
    .map(([value, unit]) =>
      numbers(locale, { style: "unit", unit, unitDisplay: "long" }).format(value),
    );
  return new Intl.ListFormat(locale, { type: "unit" }).format(said);
}

export type InstantStyle = "moment" | "clock" | "day" | "full" | "hour";

const STYLES: Record<InstantStyle, Intl.DateTimeFormatOptions> = {
  moment: {
    day: "2-digit",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  },
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  hour: { hour: "2-digit", minute: "2-digit" },
  day: { day: "2-digit", month: "short", year: "numeric" },
  full: {
    day: "2-digit",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
  },
};

export function instant(locale: string, at: string, zone: string, style: InstantStyle): string {
  return instants(dateLocale(locale), {
    ...STYLES[style],
    hourCycle: "h23",
    timeZone: zone,
  }).format(Date.parse(at));
}

/** Day before month and a clock of 24 hours, also in English: sites are read side by side. */
function dateLocale(locale: string): string {
  return locale === "en" ? "en-GB" : locale;
}

/** A calendar day, which no zone moves. */
export function day(locale: string, iso: string, options: Intl.DateTimeFormatOptions): string {
  return instants(dateLocale(locale), { ...options, timeZone: "UTC" }).format(
    Date.parse(`${iso}T00:00:00Z`),
  );
}

export function zoneOf(choice: ZoneChoice, site: string | null): string {
  if (choice === "me") {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
  return choice === "site" ? (site ?? "UTC") : choice;
}

const CODES_OF_TWO = new Set(
  "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98".split(
    " ",
  ),
);

/** `+34 915 550 100`: country code, then threes; the last group has two to four digits. */
export function phoneNumber(e164: string): string {
  const digits = e164.replace(/^\+/, "");
  const code = /^[17]/.test(digits) ? 1 : CODES_OF_TWO.has(digits.slice(0, 2)) ? 2 : 3;
  const groups: string[] = [];
  let rest = digits.slice(code);
  while (rest.length > 4) {
    groups.push(rest.slice(0, 3));
    rest = rest.slice(3);
  }
  return [`+${digits.slice(0, code)}`, ...groups, rest].filter((part) => part !== "").join(" ");
}
