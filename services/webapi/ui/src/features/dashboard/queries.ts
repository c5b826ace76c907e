import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { read } from "@/api/client";
import type { Summary } from "@/api/types";

const AGAIN_MS = 30_000;

/** Everything of the dashboard in one answer, asked again while the page is looked at. */
export function summaryQuery(filter: string) {
  return queryOptions({
    queryKey: ["summary", filter],
    queryFn: ({ signal }) =>
      read<Summary>(filter === "" ? "/summary" : `/summary?${filter}`, signal),
    placeholderData: keepPreviousData,
    refetchInterval: AGAIN_MS,
    staleTime: 10_000,
  });
}
