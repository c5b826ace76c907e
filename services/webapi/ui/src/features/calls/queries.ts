import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { send } from "@/api/client";
import type { Aggregate, CallPage } from "@/api/types";

const PAGE_ROWS = 200;

/** The calls of a scope, newest first, page behind page. */
export function callsQuery(filter: string) {
  return infiniteQueryOptions({
    queryKey: ["calls", filter],
    queryFn: ({ pageParam, signal }) =>
      send<CallPage>(
        "POST",
        "/calls/search",
        { filter, limit: PAGE_ROWS, after: pageParam },
        signal,
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
    queryFn: ({ signal }) => send<Aggregate>("POST", "/calls/aggregate", { filter }, signal),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });
}
