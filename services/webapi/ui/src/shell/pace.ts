/** How fast a long work goes and how long it may still take, from the looks at it so far. */
import type { Job } from "@/api/types";

export interface Sample {
  readonly at: number;
  readonly done: number;
}

export type Samples = Readonly<Record<string, readonly Sample[]>>;

const KEPT_MS = 30_000;
const NEEDED = 3;
/** No estimate is better than this, however steady the work was. */
const DOUBT = 0.1;

/** Add a look at all jobs; a job that rests, or begins anew, begins its looks anew. */
export function noted(
  before: Samples,
  jobs: readonly Pick<Job, "name" | "state" | "done">[],
  at: number,
): Samples {
  return Object.fromEntries(
    jobs
      .filter((job) => job.state === "running")
      .map((job) => {
        const kept = (before[job.name] ?? []).filter(
          (sample) => at - sample.at <= KEPT_MS && sample.done <= job.done,
        );
        return [job.name, [...kept, { at, done: job.done }]];
      }),
  );
}

/** Give how many a second; null = not known yet. */
export function paceOf(samples: readonly Sample[] | undefined): number | null {
  const first = samples?.[0];
  const last = samples?.at(-1);
  if (first === undefined || last === undefined || (samples?.length ?? 0) < NEEDED) {
    return null;
  }
  const pace = between(first, last);
  return pace > 0 ? pace : null;
}

/** Give how many seconds are left, at most and at least; null = not known. */
export function leftOf(
  samples: readonly Sample[] | undefined,
  total: number,
): { least: number; most: number } | null {
  const first = samples?.[0];
  const middle = samples?.[Math.floor((samples.length - 1) / 2)];
  const last = samples?.at(-1);
  const pace = paceOf(samples);
  if (
    pace === null ||
    first === undefined ||
    middle === undefined ||
    last === undefined ||
    total <= last.done
  ) {
    return null;
  }
  const paces = [pace, between(first, middle), between(middle, last)].filter((one) => one > 0);
  const rest = total - last.done;
  return {
    least: rest / (Math.max(...paces) * (1 + DOUBT)),
    most: rest / (Math.min(...paces) * (1 - DOUBT)),
  };
}

function between(first: Sample, last: Sample): number {
  return last.at > first.at ? ((last.done - first.done) * 1000) / (last.at - first.at) : 0;
}
