import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";

/** The days from one to another, both in; days are UTC days of receipt. */
export function completenessQuery(from: string, to: string) {
  return queryOptions({
    queryKey: ["completeness", from, to],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/completeness", { params: { query: { from, to } }, signal })),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}
