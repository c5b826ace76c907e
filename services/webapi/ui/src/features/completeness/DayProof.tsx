import { useLingui } from "@lingui/react/macro";
import type { CompletenessDay } from "@/api/types";
import { Unknown } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { Panel } from "@/design/Page";
import { Status } from "@/design/Status";
import css from "./completeness.module.css";
import { judge } from "./judge";
import { LEVELS, useVerdictWords } from "./verdict-words";

/** The proof of one day: what each stage counted, in the order records pass them. */
export function DayProof({ day, today }: { day: CompletenessDay; today: string }) {
  const { t } = useLingui();
  const { day: sayDay, count } = useFormats();
  const words = useVerdictWords();
  const verdict = judge(day, today);
  const stages: readonly (readonly [string, number | null])[] = [
    [t`Heard`, day.heard],
    [t`Journaled`, day.journaled],
    [t`Received`, day.received],
    [t`Parsed`, day.parsed],
    [t`In suspense`, day.suspended],
    [t`Came twice`, day.duplicate],
    [t`In a call`, day.merged],
    [t`Not yet in a call`, day.open],
    [t`Priced`, day.rated],
    [t`Not priced`, day.unrated],
    [t`Stored`, day.stored],
  ];
  return (
    <Panel
      title={`${day.site.name ?? day.site.uid}, ${sayDay(day.day, { dateStyle: "full" })}`}
      aside={<Status level={LEVELS[verdict]}>{words[verdict]}</Status>}
    >
      <dl className={css.stages}>
        {stages.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value === null ? <Unknown /> : count(value)}</dd>
          </div>
        ))}
      </dl>
      {day.heard === null ? (
        <p className={css.note}>{t`Imported: no unit heard these records.`}</p>
      ) : null}
      {day.difference === "" ? null : <p className={css.difference}>{day.difference}</p>}
    </Panel>
  );
}
