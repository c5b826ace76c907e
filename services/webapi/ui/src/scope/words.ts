/** Words for the closed lists of the records, in the reader's language. */

import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { useLingui } from "@lingui/react";

const WORDS: Readonly<Record<string, MessageDescriptor>> = {
  inbound: msg`inbound`,
  outbound: msg`outbound`,
  internal: msg`internal`,
  tandem: msg`tandem`,
  local: msg`local`,
  national: msg`national`,
  mobile: msg`mobile`,
  international: msg`international`,
  premium: msg`premium`,
  free: msg`free`,
  emergency: msg`emergency`,
  special: msg`special`,
  unknown: msg`unknown`,
  answered: msg`answered`,
  no_answer: msg`no answer`,
  busy: msg`busy`,
  failed: msg`failed`,
  abandoned: msg`abandoned`,
  forwarded: msg`forwarded`,
  today: msg`Today`,
  yesterday: msg`Yesterday`,
  "last-7d": msg`Last 7 days`,
  "last-30d": msg`Last 30 days`,
  "this-month": msg`This month`,
  "last-month": msg`Last month`,
  open: msg`open`,
  complete: msg`complete`,
  superseded: msg`superseded`,
  plain: msg`plain`,
  transfer_from: msg`before a transfer`,
  transfer_to: msg`after a transfer`,
  forward: msg`forwarded`,
  conference: msg`conference`,
  pickup: msg`picked up`,
  park: msg`parked`,
  queue: msg`queue`,
  piece: msg`piece`,
  monitor: msg`monitored`,
  true: msg`yes`,
};

/** Give the word for a value of a closed list; one that is not known here is shown as it is. */
export function useWords(): (value: string) => string {
  const { i18n } = useLingui();
  return (value) => {
    const word = WORDS[value];
    return word === undefined ? value : i18n._(word);
  };
}
