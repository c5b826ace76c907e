/** Kinds, states and counts of jobs in the reader's language. */
import { Plural, useLingui } from "@lingui/react/macro";
import type { Job } from "@/api/types";
import { Status } from "@/design/Status";

export function useKinds(): (kind: string) => string {
  const { t } = useLingui();
  return (kind) => {
    switch (kind) {
      case "replay":
        return t`Parsing records again`;
      case "rerate":
        return t`Pricing calls again`;
      case "import":
        return t`Import of a file`;
      case "rejoin":
        return t`Joining legs anew`;
      case "erase":
        return t`Erasing a person`;
      default:
        return kind;
    }
  };
}

export function JobState({ job }: { job: Job }) {
  const { t } = useLingui();
  switch (job.state) {
    case "waiting":
      return <Status level="off">{t`waits for its turn`}</Status>;
    case "running":
      return <Status level="ok">{t`runs`}</Status>;
    case "pausing":
      return <Status level="off">{t`pauses after this step`}</Status>;
    case "paused":
      return <Status level="warn">{t`paused`}</Status>;
    case "cancelling":
      return <Status level="off">{t`ends after this step`}</Status>;
    case "cancelled":
      return <Status level="off">{t`cancelled`}</Status>;
    case "done":
      return <Status level="ok">{t`done`}</Status>;
    case "failed":
      return <Status level="bad">{t`failed`}</Status>;
    default:
      return <Status level="off">{job.state}</Status>;
  }
}

/** "310,000 of 1,204,331 calls". */
export function Counted({ job }: { job: Job }) {
  return job.total > 0 ? <CountedOf job={job} /> : <CountedAlone job={job} />;
}

function CountedOf({ job }: { job: Job }) {
  const { t, i18n } = useLingui();
  const done = i18n.number(Math.min(job.done, job.total));
  const total = i18n.number(job.total);
  switch (job.unit) {
    case "calls":
      return t`${done} of ${total} calls`;
    case "legs":
      return t`${done} of ${total} legs`;
    case "records":
      return t`${done} of ${total} records`;
    case "steps":
      return t`${done} of ${total} steps`;
  }
}

function CountedAlone({ job }: { job: Job }) {
  switch (job.unit) {
    case "calls":
      return <Plural value={job.done} one="# call" other="# calls" />;
    case "legs":
      return <Plural value={job.done} one="# leg" other="# legs" />;
    case "records":
      return <Plural value={job.done} one="# record" other="# records" />;
    case "steps":
      return <Plural value={job.done} one="# step" other="# steps" />;
  }
}
