import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Button, SelectField } from "@/design/controls";
import { PrintIcon } from "@/design/icons";
import { PageHead } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { printScope, type Scope } from "@/scope/grammar";
import { ScopeBar } from "@/scope/ScopeBar";
import { type RawSearch, useScope } from "@/scope/use-scope";
import { HeardLine } from "@/shell/HeardLine";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useKinds } from "./kinds";
import { KINDS, type Kind, reportQuery } from "./queries";
import { ReportTable } from "./ReportTable";
import css from "./reports.module.css";

/** Who made the calls and what they cost, by any of the groupings; every line opens its calls. */
export function ReportsPage() {
  const { t } = useLingui();
  const scope = useScope();
  const kinds = useKinds();
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as RawSearch;
  const by = KINDS.find((kind) => kind === search.by) ?? "department";
  const report = useQuery(reportQuery(by, filterOf(scope)));
  return (
    <>
      <PageHead
        title={t`Report: ${kinds[by]}`}
        aside={
          <Button icon={PrintIcon} onPress={() => window.print()}>
            {t`Print`}
          </Button>
        }
      >
        <div className={css.ask} data-print="no">
          <SelectField
            label={t`Group by`}
            hidden
            value={by}
            choices={KINDS.map((kind) => ({ value: kind, label: kinds[kind] }))}
            onChange={(next) =>
              void navigate({
                to: ".",
                search: (old: RawSearch) => ({ ...old, by: next as Kind }),
                hash: true,
              })
            }
          />
          <ScopeBar fallback={t`This month`} />
        </div>
      </PageHead>
      {report.error === null ? null : (
        <ProblemPanel error={report.error} onRetry={() => void report.refetch()} />
      )}
      {report.isPending ? <Skeleton lines={8} height="1.5rem" /> : null}
      {report.data === undefined ? null : report.data.rows.length === 0 ? (
        <Empty title={t`No calls in this period`}>
          <p>{t`Choose a longer period, or take a filter away.`}</p>
        </Empty>
      ) : (
        <div className={css.report} data-dimmed={report.isPlaceholderData}>
          <HeardLine line={report.data.completeness} calls={report.data.total.calls} />
          <ReportTable report={report.data} head={kinds[report.data.by as Kind]} />
        </div>
      )}
    </>
  );
}

function filterOf(scope: Scope): string {
  const timed = scope.some((term) => ["period", "from", "to"].includes(term.field));
  return printScope(
    timed ? scope : [{ field: "period", operator: "=", values: ["this-month"] }, ...scope],
  );
}
