/**
 * The address grammar: `field=a,b`, `field!=a`, `field>=1`, `field<=9`, `field~=text`, `field^=begin`.
 *
 * The same text goes to the API as `scope`. In an address it is split in two: numbers and names of
 * people stand after `#`, which reaches no server, proxy or access log.
 */
export const OPERATORS = ["!=", ">=", "<=", "~=", "^=", "="] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Term {
  readonly field: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

export type Scope = readonly Term[];

/** Fields that tell of people: never before the `#`. */
const PERSONAL = new Set(["number", "person", "extension", "text"]);

/** Parameters of a page that say how it is shown, not what is in it. */
export const VIEW: ReadonlySet<string> = new Set([
  "by",
  "tab",
  "cols",
  "sort",
  "group",
  "month",
  "token",
]);

export function parseScope(text: string): Scope {
  const terms: Term[] = [];
  for (const part of text.replace(/^[?#]/, "").split("&")) {
    const term = parseTerm(part);
    if (term !== null && !VIEW.has(term.field)) {
      terms.push(term);
    }
  }
  return terms;
}

function parseTerm(part: string): Term | null {
  const at = part.indexOf("=");
  if (at < 1) {
    return null;
  }
  const before = decoded(part.slice(0, at));
  const sign = before.slice(-1);
  const marked = "!><~^".includes(sign);
  const field = marked ? before.slice(0, -1) : before;
  const operator = (marked ? `${sign}=` : "=") as Operator;
  const values = part
    .slice(at + 1)
    .split(",")
    .map(decoded)
    .filter((value) => value !== "");
  return field === "" || values.length === 0 ? null : { field, operator, values };
}

/** A damaged escape is shown as it stands; it becomes an unknown value, not a lost one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function printScope(scope: Scope): string {
  return scope.map(printTerm).join("&");
}

function printTerm(term: Term): string {
  return encoded(term.field) + term.operator + term.values.map(encoded).join(",");
}

/** Only what the grammar or an address gives a meaning is escaped, so that people can read it. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/%(2B|3A|2F|40)/g, (code) => decodeURIComponent(code));
}

export interface Address {
  readonly search: string;
  readonly hash: string;
}

/** Give the two halves of an address: people after the `#`, the rest before it. */
export function addressOf(scope: Scope): Address {
  return {
    search: printScope(scope.filter((term) => !PERSONAL.has(term.field))),
    hash: printScope(scope.filter((term) => PERSONAL.has(term.field))),
  };
}

export function scopeOf(address: Address): Scope {
  return [...parseScope(address.search), ...parseScope(address.hash)];
}

/** Replace what is said of a field under an operator; no values = say nothing. */
export function withTerm(
  scope: Scope,
  field: string,
  operator: Operator,
  values: readonly string[],
): Scope {
  const rest = scope.filter((term) => term.field !== field || term.operator !== operator);
  return values.length === 0 ? rest : [...rest, { field, operator, values }];
}

export function without(scope: Scope, ...fields: readonly string[]): Scope {
  return scope.filter((term) => !fields.includes(term.field));
}

export function firstOf(scope: Scope, field: string, operator: Operator = "="): string | null {
  const found = scope.find((term) => term.field === field && term.operator === operator);
  return found?.values[0] ?? null;
}

/** Read what a person typed into the one search field: digits are a number, the rest is text. */
export function typed(text: string): Term | null {
  const trimmed = text.trim();
  if (trimmed === "") {
    return null;
  }
  const digits = trimmed.replace(/[\s()./-]/g, "");
  return /^\+?\d{3,}$/.test(digits)
    ? { field: "number", operator: "=", values: [digits] }
    : { field: "text", operator: "~=", values: [trimmed] };
}
