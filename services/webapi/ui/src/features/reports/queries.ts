import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Report } from "@/api/types";

export const KINDS = [
  "department",
  "site",
  "person",
  "extension",
  "cost_center",
  "account_code",
  "destination",
  "trunk",
  "class",
  "direction",
  "disposition",
  "day",
  "month",
  "hour",
] as const;
export type Kind = (typeof KINDS)[number];

export function reportQuery(by: Kind, filter: string) {
  return queryOptions({
    queryKey: ["report", by, filter],
    queryFn: ({ signal }): Promise<Report> =>
      answered(
        api.POST("/api/v1/reports/{by}", {
          params: { path: { by } },
          body: { filter },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  });
}
