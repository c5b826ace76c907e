import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";

const AGAIN_MS = 30_000;

/** Everything of the dashboard in one answer, asked again while the page is looked at. */
export function summaryQuery(filter: string) {
  return queryOptions({
    queryKey: ["summary", filter],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/summary", { querySerializer: () => filter, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: AGAIN_MS,
    staleTime: 10_000,
  });
}

/** Whether any call is stored, of any day: what a period without calls cannot say. */
export const anyCallQuery = queryOptions({
  queryKey: ["any call"],
  queryFn: async ({ signal }) => {
    const body = { filter: "", limit: 1, after: null };
    const found = await answered(api.POST("/api/v1/calls/search", { body, signal }));
    return found.items.length > 0;
  },
  staleTime: AGAIN_MS,
});
