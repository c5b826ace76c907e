/** What an alert is, in words: its kind, what it is about, what was found. */
import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { useLingui as useCatalogue } from "@lingui/react";
import { Plural, Trans, useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";
import type { Alert } from "@/api/types";
import { Amount, Instant } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import type { Level } from "@/design/Status";

const KINDS: Readonly<Record<string, MessageDescriptor>> = {
  blacklist: msg`Listed number`,
  long_call: msg`Long call`,
  expensive_call: msg`Expensive call`,
  emergency_call: msg`Emergency call`,
  night_premium: msg`Premium rate at night`,
  silent_pbx: msg`Silent PBX`,
};

const OBJECTS: Readonly<Record<string, MessageDescriptor>> = {
  extension: msg`Extension`,
  trunk: msg`Trunk`,
  site: msg`Site`,
  pbx: msg`PBX`,
};

const SEVERITIES: Readonly<Record<string, MessageDescriptor>> = {
  critical: msg`Critical`,
  warning: msg`Warning`,
  info: msg`For information`,
};

const LEVELS: Readonly<Record<string, Level>> = { critical: "bad", warning: "warn", info: "off" };

export function levelOf(severity: string): Level {
  return LEVELS[severity] ?? "warn";
}

export function useAlertWords() {
  const { i18n } = useCatalogue();
  const word = (words: Readonly<Record<string, MessageDescriptor>>, code: string) => {
    const known = words[code];
    return known === undefined ? code : i18n._(known);
  };
  return {
    kind: (code: string) => word(KINDS, code),
    severity: (code: string) => word(SEVERITIES, code),
    object: (alert: Alert) =>
      [word(OBJECTS, alert.object.kind), alert.object.name ?? alert.object.uid].join(" "),
  };
}

/** How many calls, and when: of the last one the time alone where it is the same day. */
export function AlertTimes({ alert }: { alert: Alert }) {
  const zone = alert.zone ?? "UTC";
  if (alert.kind === "silent_pbx") {
    return alert.first_at === null ? null : (
      <Trans>
        silent since <Instant at={alert.first_at} zone={zone} />
      </Trans>
    );
  }
  return (
    <>
      <Plural value={alert.calls} one="# call" other="# calls" />
      {alert.first_at === null ? null : (
        <>
          {", "}
          <Instant at={alert.first_at} zone={zone} />
        </>
      )}
      {alert.last_at === null || alert.last_at === alert.first_at ? null : (
        <>
          {" – "}
          <Instant at={alert.last_at} zone={zone} />
        </>
      )}
    </>
  );
}

/** What was found last, against what the rule allows or is usual. */
export function Found({ alert }: { alert: Alert }): ReactNode {
  const { t } = useLingui();
  const { durationInWords, count } = useFormats();
  const found = alert.measured;
  if (found.money != null) {
    return (
      <>
        <Amount money={found.money} places="charge" />
        {found.least == null ? null : (
          <>
            {" "}
            <Trans>
              (told from <Amount money={found.least} places="charge" /> on)
            </Trans>
          </>
        )}
      </>
    );
  }
  if (found.talk_ms != null) {
    const least = durationInWords(found.talk_min_ms ?? 0);
    const talked = durationInWords(found.talk_ms);
    return t`${talked} (told from ${least} on)`;
  }
  if (found.usual_per_hour != null) {
    const usual = count(Math.round(found.usual_per_hour));
    return t`usual are ${usual} records an hour`;
  }
  if (found.side != null) {
    return found.side === "calling" ? t`the caller is listed` : t`the number called is listed`;
  }
  return null;
}
