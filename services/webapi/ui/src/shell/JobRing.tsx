/** A ring in the top bar while long works run: how far they are, and the way to them. */
import { Plural, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useFormats } from "@/design/formats";
import css from "./JobRing.module.css";
import { isAtWork, jobsQuery } from "./jobs";
import { useMay } from "./permissions";

const ROUND = 50;

export function JobRing() {
  const { t } = useLingui();
  const { percent } = useFormats();
  const may = useMay();
  const jobs = useQuery({ ...jobsQuery, enabled: may("jobs.see") });
  const running = jobs.data?.items.filter(isAtWork) ?? [];
  if (running.length === 0) {
    return null;
  }
  const counted = running.filter((job) => job.total > 0);
  const total = counted.reduce((sum, job) => sum + job.total, 0);
  const done = counted.reduce((sum, job) => sum + Math.min(job.done, job.total), 0);
  const share = total > 0 ? done / total : null;
  return (
    <Link to="/jobs" className={css.ring} title={t`Jobs`}>
      <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
        <circle className={css.whole} cx="10" cy="10" r="8" pathLength={ROUND} />
        <circle
          className={css.done}
          cx="10"
          cy="10"
          r="8"
          pathLength={ROUND}
          strokeDasharray={`${(share ?? 0.25) * ROUND} ${ROUND}`}
        />
      </svg>
      <span className={css.words}>
        <Plural value={running.length} one="# job" other="# jobs" />
        {share === null ? null : `, ${percent(share)}`}
      </span>
    </Link>
  );
}
