/** One job: what it does, how far it is, how long it may take, and what may be asked of it. */
import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Job } from "@/api/types";
import { Button } from "@/design/controls";
import { Instant } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { useFormats } from "@/design/formats";
import { CloseIcon, PauseIcon, ResumeIcon } from "@/design/icons";
import { Progress } from "@/design/Progress";
import { jobsQuery } from "@/shell/jobs";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { leftOf, paceOf, type Sample } from "@/shell/pace";
import { useMay } from "@/shell/permissions";
import css from "./jobs.module.css";
import { turn, turnsOf } from "./queries";
import { Counted, JobState, useKinds } from "./words";

export function JobRow({ job, samples }: { job: Job; samples: readonly Sample[] | undefined }) {
  const kinds = useKinds();
  return (
    <li className={css.job}>
      <div className={css.what}>
        <Link to="/jobs/$name" params={{ name: job.name }}>
          {kinds(job.kind)}
        </Link>
        <JobState job={job} />
      </div>
      <div className={css.far}>
        <Progress label={kinds(job.kind)} done={job.done} total={job.total} />
        <span className={css.counts}>
          {job.done === 0 && job.total === 0 ? null : <Counted job={job} />}
          <Pace job={job} samples={samples} />
        </span>
        {job.message === "" ? null : <span className={css.message}>{job.message}</span>}
      </div>
      <p className={css.who}>
        <Who job={job} />
      </p>
      <Turns job={job} />
    </li>
  );
}

function Who({ job }: { job: Job }) {
  const { t } = useLingui();
  const at = job.started_at ?? job.changed_at;
  return (
    <>
      <span>{job.who ?? t`the installation`}</span>
      {at === null ? null : <Instant at={at} zone={zoneOf("me", null)} />}
    </>
  );
}

function Pace({ job, samples }: { job: Job; samples: readonly Sample[] | undefined }) {
  const { t } = useLingui();
  const { count, durationInWords } = useFormats();
  const pace = paceOf(samples);
  if (pace === null) {
    return null;
  }
  const left = leftOf(samples, job.total);
  const perSecond = count(pace);
  return (
    <span className={css.pace}>
      {t`${perSecond} a second`}
      {left === null
        ? null
        : ` · ${t`${durationInWords(roundedMs(left.least))} to ${durationInWords(roundedMs(left.most))} left`}`}
    </span>
  );
}

/** Seconds to tens of them above a minute: more would be a promise. */
function roundedMs(seconds: number): number {
  const step = seconds > 60 ? 10 : 1;
  return Math.max(1, Math.ceil(seconds / step)) * step * 1000;
}

export function Turns({ job }: { job: Job }) {
  const { t } = useLingui();
  const may = useMay()("jobs.steer");
  const queries = useQueryClient();
  const turning = useMutation({
    mutationFn: turn,
    onSettled: () => queries.invalidateQueries({ queryKey: jobsQuery.queryKey }),
  });
  const words = { pause: t`Pause`, resume: t`Go on`, cancel: t`Cancel` };
  const icons = { pause: PauseIcon, resume: ResumeIcon, cancel: CloseIcon };
  const turns = turnsOf(job);
  if (turns.length === 0) {
    return null;
  }
  return (
    <div className={css.turns}>
      {turning.error === null ? null : <ProblemPanel error={turning.error} />}
      {turns.map((to) => (
        <Button
          key={to}
          icon={icons[to]}
          look={to === "cancel" ? "danger" : "plain"}
          disabled={!may}
          busy={turning.isPending && turning.variables.to === to}
          onPress={() => turning.mutate({ name: job.name, to })}
        >
          {words[to]}
        </Button>
      ))}
      {may ? null : <span className={css.message}>{t`Your role does not steer jobs.`}</span>}
    </div>
  );
}
