/** Why a record waits, in a sentence; the codes are a closed list of the records. */

import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { useLingui } from "@lingui/react";

const REASONS: Readonly<Record<string, MessageDescriptor>> = {
  not_this_format: msg`The line does not look like the format of its link`,
  record_truncated: msg`The line ends before a field that is needed`,
  record_too_long: msg`The line is longer than a record can be`,
  field_missing: msg`A field that is needed is empty`,
  field_malformed: msg`A field does not hold what its place should hold`,
  encoding_invalid: msg`The bytes are not text of the declared encoding`,
  time_invalid: msg`There is no such date or time`,
  time_in_future: msg`The time lies after the receipt`,
  clock_skew: msg`Start and end contradict each other`,
  context_missing: msg`No date line or head was seen before it`,
  record_type_unknown: msg`This kind of record is not known`,
  capture_conflict: msg`Another record has the same capture key`,
  stream_suspended: msg`Too many records of its stream were bad`,
  switch_lost_records: msg`The switch reports that records were lost`,
  link_unknown: msg`The stream that brought it is in no configuration`,
  frame_corrupt: msg`The frame does not unpack`,
  parser_failed: msg`The parser itself broke on it`,
  record_salvaged: msg`It was read out of a corrupt frame`,
};

export function useReasons(): (code: string) => string {
  const { i18n } = useLingui();
  return (code) => {
    const reason = REASONS[code];
    return reason === undefined ? code : i18n._(reason);
  };
}
