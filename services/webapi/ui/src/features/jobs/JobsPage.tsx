import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import type { Job } from "@/api/types";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { AsOf } from "@/shell/AsOf";
import { isOver, jobsQuery, type SeenJobs } from "@/shell/jobs";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { JobRow } from "./JobRow";
import css from "./jobs.module.css";

/** What runs, how long it takes, and whether it can wait. */
export function JobsPage() {
  const { t } = useLingui();
  const jobs = useQuery(jobsQuery);
  return (
    <>
      <PageHead title={t`Jobs`} aside={<AsOf query={jobs} />} />
      {jobs.error === null ? null : (
        <ProblemPanel error={jobs.error} onRetry={() => void jobs.refetch()} />
      )}
      {jobs.isPending ? <Skeleton lines={4} height="3rem" /> : null}
      {jobs.data === undefined ? null : jobs.data.items.length === 0 ? (
        <Empty title={t`No job ever ran`}>
          <p>{t`Works that take longer stand here: records parsed again, calls priced again.`}</p>
        </Empty>
      ) : (
        <div className={css.stack}>
          <Listed title={t`At work`} of={jobs.data} which={(job) => !isOver(job)} />
          <Listed title={t`Ended`} of={jobs.data} which={isOver} />
        </div>
      )}
    </>
  );
}

function Listed({
  title,
  of,
  which,
}: {
  title: string;
  of: SeenJobs;
  which: (job: Job) => boolean;
}) {
  const jobs = of.items.filter(which);
  return jobs.length === 0 ? null : (
    <Panel title={title} flush>
      <ul>
        {jobs.map((job) => (
          <JobRow key={job.name} job={job} samples={of.samples[job.name]} />
        ))}
      </ul>
    </Panel>
  );
}
