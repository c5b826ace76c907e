/** The fields of the filter grammar: what each can be set to, and how. */

import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import type { Operator } from "./grammar";

export type FieldKind =
  | "site"
  | "department"
  | "price_list"
  | "words"
  | "text"
  | "amount"
  | "calls";

export interface ScopeField {
  readonly name: string;
  readonly operator: Operator;
  readonly word: MessageDescriptor;
  readonly kind: FieldKind;
}

export const FIELDS: readonly ScopeField[] = [
  { name: "number", operator: "=", word: msg`Number`, kind: "text" },
  { name: "text", operator: "~=", word: msg`Text`, kind: "text" },
  { name: "site", operator: "=", word: msg`Site`, kind: "site" },
  { name: "department", operator: "=", word: msg`Department`, kind: "department" },
  {
    name: "department_itself",
    operator: "=",
    word: msg`Department without those below`,
    kind: "department",
  },
  { name: "extension", operator: "=", word: msg`Extension`, kind: "text" },
  { name: "person", operator: "=", word: msg`Person`, kind: "text" },
  { name: "direction", operator: "=", word: msg`Direction`, kind: "words" },
  { name: "class", operator: "=", word: msg`Kind of number`, kind: "words" },
  { name: "disposition", operator: "=", word: msg`Result`, kind: "words" },
  { name: "trunk", operator: "=", word: msg`Trunk`, kind: "text" },
  { name: "account_code", operator: "=", word: msg`Account code`, kind: "text" },
  { name: "cost", operator: ">=", word: msg`Cost from`, kind: "amount" },
  { name: "cost", operator: "<=", word: msg`Cost up to`, kind: "amount" },
  { name: "price_list", operator: "=", word: msg`Price list`, kind: "price_list" },
  { name: "unpriced", operator: "=", word: msg`Not priced`, kind: "words" },
];

/** Calls by their ids: comes with a link, nobody types it. */
const CHOSEN_CALLS: ScopeField = {
  name: "call",
  operator: "=",
  word: msg`Chosen calls`,
  kind: "calls",
};

/** Fields that have a control of their own, so no chip. */
export const TIME_FIELDS = ["period", "from", "to", "tz"] as const;

export const PERIODS = [
  "today",
  "yesterday",
  "last-7d",
  "last-30d",
  "this-month",
  "last-month",
] as const;

export function fieldOf(name: string, operator: Operator): ScopeField | null {
  const known = [...FIELDS, CHOSEN_CALLS];
  return known.find((field) => field.name === name && field.operator === operator) ?? null;
}
