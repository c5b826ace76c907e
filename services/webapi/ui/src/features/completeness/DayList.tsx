import { useLingui } from "@lingui/react/macro";
import type { CompletenessDay } from "@/api/types";
import { useFormats } from "@/design/formats";
import { Panel } from "@/design/Page";
import { Status } from "@/design/Status";
import css from "./completeness.module.css";
import { judge, type SiteRow, type Verdict } from "./judge";
import { LEVELS, useVerdictWords } from "./verdict-words";

const RANK: Record<Verdict, number> = {
  broken: 0,
  waiting: 1,
  nothing: 2,
  "not-over": 3,
  whole: 4,
};

/** The calendar of a phone: the days that are not whole first, then the newest. */
export function DayList({
  rows,
  today,
  picked,
  onPick,
}: {
  rows: readonly SiteRow[];
  today: string;
  picked: CompletenessDay | null;
  onPick: (site: string, day: string) => void;
}) {
  const { t } = useLingui();
  const { day: sayDay, count } = useFormats();
  const words = useVerdictWords();
  const days = rows
    .flatMap((row) => [...row.days.values()])
    .map((day) => ({ day, verdict: judge(day, today) }))
    .sort((a, b) => RANK[a.verdict] - RANK[b.verdict] || b.day.day.localeCompare(a.day.day));
  return (
    <Panel title={t`Days of receipt, UTC`} flush>
      <ul className={css.dayList}>
        {days.map(({ day, verdict }) => (
          <li key={`${day.site.uid} ${day.day}`}>
            <button
              type="button"
              aria-pressed={day === picked}
              onClick={() => onPick(day.site.uid, day.day)}
            >
              <span>
                {sayDay(day.day, { day: "numeric", month: "short" })} ·{" "}
                {day.site.name ?? day.site.uid}
              </span>
              <span className="figure">{count(day.received)}</span>
              <Status level={LEVELS[verdict]}>{words[verdict]}</Status>
            </button>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
