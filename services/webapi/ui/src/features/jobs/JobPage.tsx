import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { JobDetail, JobDifference } from "@/api/types";
import { DataTable } from "@/design/DataTable";
import { Amount, Instant, Unknown } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { useFormats } from "@/design/formats";
import { Facts, PageHead, Panel } from "@/design/Page";
import { Progress } from "@/design/Progress";
import { Skeleton } from "@/design/States";
import { jobQuery } from "@/shell/jobs";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { Turns } from "./JobRow";
import css from "./jobs.module.css";
import { Proof } from "./Proof";
import { Counted, JobState, useKinds } from "./words";

/** One job with what it found. */
export function JobPage() {
  const { t } = useLingui();
  const { name } = useParams({ strict: false });
  const kinds = useKinds();
  const job = useQuery(jobQuery(name ?? ""));
  return (
    <>
      <PageHead title={job.data === undefined ? t`Job` : kinds(job.data.job.kind)}>
        <p>
          <Link to="/jobs">{t`All jobs`}</Link>
        </p>
      </PageHead>
      {job.error === null ? null : (
        <ProblemPanel error={job.error} onRetry={() => void job.refetch()} />
      )}
      {job.isPending ? <Skeleton lines={5} height="1.5rem" /> : null}
      {job.data === undefined ? null : <Detail detail={job.data} />}
    </>
  );
}

function Detail({ detail: { job, report, erasure } }: { detail: JobDetail }) {
  const { t } = useLingui();
  const kinds = useKinds();
  const instant = (at: string | null) =>
    at === null ? <Unknown /> : <Instant at={at} zone={zoneOf("me", null)} style="full" />;
  return (
    <div className={css.stack}>
      <Panel title={t`How far it is`} aside={<JobState job={job} />}>
        <div className={css.stack}>
          <Progress label={kinds(job.kind)} done={job.done} total={job.total} />
          <Facts
            facts={[
              { name: t`Done so far`, value: <Counted job={job} /> },
              { name: t`Started by`, value: job.who ?? t`the installation` },
              { name: t`Started`, value: instant(job.started_at) },
              { name: t`Last change`, value: instant(job.changed_at) },
              { name: t`Name`, value: job.name },
            ]}
          />
          {job.message === "" ? null : <p>{job.message}</p>}
          <Turns job={job} />
        </div>
      </Panel>
      {report.length === 0 ? null : <Differences report={report} />}
      {erasure === null ? null : <Proof erasure={erasure} />}
    </div>
  );
}

function Differences({ report }: { report: readonly JobDifference[] }) {
  const { t } = useLingui();
  const { count } = useFormats();
  return (
    <Panel title={t`What it changes`} flush>
      <DataTable
        label={t`What it changes`}
        rows={report}
        keyOf={(row) =>
          `${row.price_list} ${row.department_uid} ${row.tariff} ${row.before.currency}`
        }
        columns={[
          { key: "list", head: t`Price list`, cell: (row) => row.price_list },
          {
            key: "department",
            head: t`Department`,
            cell: (row) => row.department_uid ?? <Unknown />,
          },
          { key: "tariff", head: t`Tariff`, cell: (row) => row.tariff ?? <Unknown /> },
          { key: "calls", head: t`Calls`, end: true, cell: (row) => count(row.calls) },
          {
            key: "before",
            head: t`Before`,
            end: true,
            cell: (row) => <Amount money={row.before} />,
          },
          { key: "after", head: t`After`, end: true, cell: (row) => <Amount money={row.after} /> },
          {
            key: "difference",
            head: t`Difference`,
            end: true,
            cell: (row) => <Amount money={row.difference} />,
          },
        ]}
      />
    </Panel>
  );
}
