/** Long works as every page may see them: asked again often while one runs, else seldom. */
import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Job } from "@/api/types";
import { noted, type Samples } from "./pace";

const AT_WORK_MS = 1_000;
const AT_REST_MS = 20_000;

export interface SeenJobs {
  readonly items: readonly Job[];
  /** How far each was at the last looks, by name. */
  readonly samples: Samples;
}

export const jobsQuery = queryOptions({
  queryKey: ["jobs"],
  queryFn: async ({ signal, client }): Promise<SeenJobs> => {
    const { items } = await answered(api.GET("/api/v1/jobs", { signal }));
    const before = client.getQueryData<SeenJobs>(["jobs"]);
    return { items, samples: noted(before?.samples ?? {}, items, Date.now()) };
  },
  refetchInterval: (query) =>
    query.state.data?.items.some(isAtWork) === true ? AT_WORK_MS : AT_REST_MS,
  staleTime: AT_WORK_MS,
});

export function jobQuery(name: string) {
  return queryOptions({
    queryKey: ["jobs", name],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/jobs/{name}", { params: { path: { name } }, signal })),
    refetchInterval: (query) => (isOver(query.state.data?.job) ? false : AT_WORK_MS),
  });
}

export function isOver(job: Job | undefined): boolean {
  return job !== undefined && ["done", "failed", "cancelled"].includes(job.state);
}

export function isAtWork(job: Job): boolean {
  return ["waiting", "running", "pausing", "cancelling"].includes(job.state);
}
