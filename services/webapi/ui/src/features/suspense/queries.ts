import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Duplicate, Job } from "@/api/types";

export const groupsQuery = queryOptions({
  queryKey: ["suspense"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/suspense", { signal })),
  staleTime: 5_000,
});

export const waitingQuery = queryOptions({
  queryKey: ["suspense", "records"],
  queryFn: ({ signal }) =>
    answered(
      api.GET("/api/v1/suspense/records", { params: { query: { state: "waiting" } }, signal }),
    ),
  staleTime: 5_000,
});

export function recordQuery(suspenseId: number) {
  return queryOptions({
    queryKey: ["suspense", suspenseId],
    queryFn: ({ signal }) =>
      answered(
        api.GET("/api/v1/suspense/{suspense_id}", {
          params: { path: { suspense_id: suspenseId } },
          signal,
        }),
      ),
  });
}

/** Apply a corrected line in place of the one that failed; null = the line as it is. */
export function repair(suspenseId: number, raw: string | null, why: string): Promise<Job> {
  return answered(
    api.POST("/api/v1/suspense/{suspense_id}/repair", {
      params: { path: { suspense_id: suspenseId } },
      body: { raw, why },
    }),
  );
}

export async function dismiss(suspenseId: number, why: string): Promise<void> {
  await answered(api.POST("/api/v1/suspense/dismiss", { body: { ids: [suspenseId], why } }));
}

export const duplicatesQuery = queryOptions({
  queryKey: ["duplicates"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/duplicates", { signal })),
  staleTime: 5_000,
});

/** Say that a record that came twice is two calls; gives the leg that was made of it. */
export async function sayTwoCalls(found: Duplicate, why: string): Promise<string> {
  const { stream_id, incarnation, seq } = found;
  const made = await answered(
    api.POST("/api/v1/duplicates/{stream_id}/{incarnation}/{seq}/two-calls", {
      params: { path: { stream_id, incarnation, seq } },
      body: { why },
    }),
  );
  return made.cdr_id;
}
