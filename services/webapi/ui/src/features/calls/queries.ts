import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";

const PAGE_ROWS = 200;

/** The calls of a scope, newest first, page behind page. */
export function callsQuery(filter: string) {
  return infiniteQueryOptions({
    queryKey: ["calls", filter],
    queryFn: ({ pageParam, signal }) =>
      answered(
        api.POST("/api/v1/calls/search", {
          body: { filter, limit: PAGE_ROWS, after: pageParam },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });
}

/** Count and sums over the same scope. */
export function aggregateQuery(filter: string) {
  return queryOptions({
    queryKey: ["calls", "aggregate", filter],
    queryFn: ({ signal }) =>
      answered(api.POST("/api/v1/calls/aggregate", { body: { filter }, signal })),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });
}
