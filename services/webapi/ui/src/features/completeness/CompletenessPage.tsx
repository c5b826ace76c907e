import { Plural, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { IconButton } from "@/design/controls";
import { useFormats } from "@/design/formats";
import { BackIcon, ForwardIcon } from "@/design/icons";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useRoom } from "@/shell/screen";
import { Calendar } from "./Calendar";
import css from "./completeness.module.css";
import { DayList } from "./DayList";
import { DayProof } from "./DayProof";
import { Gaps } from "./Gaps";
import { bySite, daysOf, isMonth, monthBeside } from "./judge";
import { completenessQuery } from "./queries";

export function CompletenessPage() {
  const { t } = useLingui();
  const room = useRoom();
  const navigate = useNavigate();
  const today = new Date().toISOString().slice(0, 10);
  const search = useSearch({ strict: false }) as Record<string, string>;
  const month = isMonth(search.month) ? search.month : today.slice(0, 7);
  const days = daysOf(month);
  const answer = useQuery(completenessQuery(days[0] ?? "", days.at(-1) ?? ""));
  const rows = bySite(answer.data?.days ?? []);
  const show = (change: Record<string, string>) =>
    void navigate({ to: "/completeness", search: { month, ...change } });
  const picked =
    rows.find((row) => row.site.uid === search.site)?.days.get(search.day ?? "") ?? null;
  return (
    <>
      <PageHead
        title={t`Completeness`}
        aside={
          <Months
            month={month}
            last={today.slice(0, 7)}
            onMonth={(next) => show({ month: next })}
          />
        }
      >
        {answer.data === undefined || rows.length === 0 ? null : (
          <Verdict
            complete={answer.data.complete}
            waiting={answer.data.days.reduce((sum, day) => sum + day.suspended, 0)}
          />
        )}
      </PageHead>
      {answer.error === null ? null : (
        <ProblemPanel error={answer.error} onRetry={() => void answer.refetch()} />
      )}
      {answer.isPending ? <Skeleton lines={6} height="1.75rem" /> : null}
      {answer.data === undefined ? null : rows.length === 0 ? (
        <Empty title={t`No record was received in this month`} />
      ) : (
        <div className={css.page} data-dimmed={answer.isPlaceholderData}>
          {room === "phone" ? (
            <DayList
              rows={rows}
              today={today}
              picked={picked}
              onPick={(site, day) => show({ site, day })}
            />
          ) : (
            <Panel title={t`Days of receipt, UTC`} flush>
              <Calendar
                rows={rows}
                days={days}
                today={today}
                picked={picked}
                onPick={(site, day) => show({ site, day })}
              />
            </Panel>
          )}
          {picked === null ? null : <DayProof day={picked} today={today} />}
          <Gaps gaps={answer.data.gaps} />
        </div>
      )}
    </>
  );
}

function Verdict({ complete, waiting }: { complete: boolean; waiting: number }) {
  const { t } = useLingui();
  if (complete && waiting > 0) {
    return (
      <Status level="warn">
        <Plural
          value={waiting}
          one="Every sum holds and no gap is known; # record waits in suspense."
          other="Every sum holds and no gap is known; # records wait in suspense."
        />
      </Status>
    );
  }
  return complete ? (
    <Status level="ok">{t`Every sum holds and no gap is known.`}</Status>
  ) : (
    <Status level="warn">{t`Not everything is in, or a sum does not hold; the days say which.`}</Status>
  );
}

function Months({
  month,
  last,
  onMonth,
}: {
  month: string;
  last: string;
  onMonth: (month: string) => void;
}) {
  const { t } = useLingui();
  const { day } = useFormats();
  return (
    <div className={css.months}>
      <IconButton
        icon={BackIcon}
        name={t`Month before`}
        onPress={() => onMonth(monthBeside(month, -1))}
      />
      <strong aria-live="polite">{day(`${month}-01`, { month: "long", year: "numeric" })}</strong>
      <IconButton
        icon={ForwardIcon}
        name={t`Month after`}
        disabled={month >= last}
        onPress={() => onMonth(monthBeside(month, 1))}
      />
    </div>
  );
}
