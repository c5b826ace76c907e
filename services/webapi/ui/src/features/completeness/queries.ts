import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { read } from "@/api/client";
import type { Completeness } from "@/api/types";

/** The days from one to another, both in; days are UTC days of receipt. */
export function completenessQuery(from: string, to: string) {
  return queryOptions({
    queryKey: ["completeness", from, to],
    queryFn: ({ signal }) => read<Completeness>(`/completeness?from=${from}&to=${to}`, signal),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}
