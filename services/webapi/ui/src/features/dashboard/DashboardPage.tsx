import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import type { Summary } from "@/api/types";
import { TimeBars } from "@/charts/TimeBars";
import { Instant } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { printScope, type Scope } from "@/scope/grammar";
import { ScopeBar } from "@/scope/ScopeBar";
import { useScope } from "@/scope/use-scope";
import { HeardLine } from "@/shell/HeardLine";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useNews } from "@/shell/useNews";
import css from "./dashboard.module.css";
import { Groups } from "./Groups";
import { anyCallQuery, summaryQuery } from "./queries";
import { Tiles } from "./Tiles";

export function DashboardPage() {
  const { t } = useLingui();
  const scope = useScope();
  const summary = useQuery(summaryQuery(filterOf(scope)));
  useNews(() => void summary.refetch());
  return (
    <>
      <PageHead
        title={t`Dashboard`}
        aside={<AsOf summary={summary.data ?? null} stale={summary.isError} />}
      >
        <ScopeBar fallback={t`Today`} />
      </PageHead>
      {summary.error === null ? null : (
        <ProblemPanel error={summary.error} onRetry={() => void summary.refetch()} />
      )}
      {summary.isPending ? <Skeleton lines={10} height="2rem" /> : null}
      {summary.data === undefined ? null : (
        <div className={css.dashboard} data-dimmed={summary.isPlaceholderData}>
          <Content summary={summary.data} />
        </div>
      )}
    </>
  );
}

function filterOf(scope: Scope): string {
  const timed = scope.some((term) => ["period", "from", "to"].includes(term.field));
  return printScope(
    timed ? scope : [{ field: "period", operator: "=", values: ["today"] }, ...scope],
  );
}

function AsOf({ summary, stale }: { summary: Summary | null; stale: boolean }) {
  if (summary === null) {
    return null;
  }
  return (
    <span className={stale ? css.stale : css.muted}>
      <Trans>
        as of <Instant at={summary.as_of} zone={summary.period.zone} style="clock" />
      </Trans>{" "}
      {summary.period.zone}
    </span>
  );
}

function Content({ summary }: { summary: Summary }) {
  const { t } = useLingui();
  const { day } = useFormats();
  const byDay = summary.times.by === "day";
  const calls = summary.figures.find((figure) => figure.name === "calls")?.value ?? 0;
  const quiet = summary.completeness.received === 0 && calls === 0;
  const anyCall = useQuery({ ...anyCallQuery, enabled: quiet });
  if (quiet && anyCall.data !== true) {
    return anyCall.isPending ? <Skeleton lines={4} /> : <FirstSteps />;
  }
  return (
    <>
      <HeardLine line={summary.completeness} calls={calls} />
      <Tiles summary={summary} />
      {calls === 0 ? (
        <Empty title={t`No calls in this period`}>
          <p>{t`Choose a longer period, or take a filter away.`}</p>
        </Empty>
      ) : (
        <>
          <Panel title={byDay ? t`Calls by day` : t`Calls by hour`}>
            <TimeBars
              label={byDay ? t`Calls by day` : t`Calls by hour`}
              head={[byDay ? t`Day` : t`Hour`, t`Calls`, t`Answered`]}
              rows={summary.times.rows.map((row) => ({
                key: row.name,
                name: byDay ? day(row.name, { day: "numeric", month: "short" }) : row.name,
                value: row.calls,
                part: row.answered,
                scope: row.scope,
              }))}
            />
          </Panel>
          <div className={css.columns}>
            <div className={css.column}>
              <Groups title={t`Sites`} groups={summary.sites} />
              <Groups title={t`Kinds of numbers`} groups={summary.classes} />
            </div>
            <Groups title={t`Departments`} groups={summary.departments} />
          </div>
        </>
      )}
    </>
  );
}

function FirstSteps() {
  const { t } = useLingui();
  return (
    <Empty title={t`Nothing has been collected yet`}>
      <ol className={css.steps}>
        <li>{t`Connect a PBX: name its link in bluewhale.yaml, or send a file with bluewhale import.`}</li>
        <li>{t`Load a price list: bluewhale tariff activate.`}</li>
        <li>{t`See the first call here.`}</li>
      </ol>
    </Empty>
  );
}
