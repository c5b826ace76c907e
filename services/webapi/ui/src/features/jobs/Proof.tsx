/** What an erasure came to: counts, what it does not reach, and a digest to keep. */
import { useLingui } from "@lingui/react/macro";
import type { Erasure } from "@/api/types";
import { Instant } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { useFormats } from "@/design/formats";
import { Facts, Panel } from "@/design/Page";
import css from "./jobs.module.css";

export function Proof({ erasure }: { erasure: Erasure }) {
  const { t } = useLingui();
  const { count } = useFormats();
  const stays = useStays();
  return (
    <Panel title={t`Proof of the erasure`}>
      <div className={css.stack}>
        <Facts
          facts={[
            { name: t`Calls without a person`, value: count(erasure.calls) },
            { name: t`Their lines of the PBX`, value: count(erasure.legs) },
            { name: t`Lines of others that named them`, value: count(erasure.lines) },
            { name: t`Sealed files written anew`, value: count(erasure.segments) },
            { name: t`Old directories`, value: count(erasure.directory_versions) },
            { name: t`Counted from now on as`, value: erasure.pseudonym },
            { name: t`Digest`, value: <code className={css.digest}>{erasure.digest}</code> },
          ]}
        />
        <h3>{t`What it does not reach`}</h3>
        <ul>
          {erasure.stays.map((stay) => (
            <li key={stay.what}>
              {stays[stay.what]}{" "}
              {stay.until === null ? null : (
                <Instant at={stay.until} zone={zoneOf("me", null)} style="full" />
              )}
            </li>
          ))}
        </ul>
      </div>
    </Panel>
  );
}

function useStays(): Record<Erasure["stays"][number]["what"], string> {
  const { t } = useLingui();
  return {
    charges: t`What calls cost, when they were, and the extension and department that paid: the bill has to say it.`,
    ids: t`Ids and checksums of lines, so that a line sent again is not charged as new.`,
    waiting: t`Lines that wait in suspense: they belong to nobody until they are parsed.`,
    audit: t`Who did what: the trail is never changed.`,
    logs: t`Logs, and journals of units, until their retention is over.`,
    backups: t`Backups: erase again after one is restored.`,
    replaced_files: t`The sealed files of before, until`,
  };
}
