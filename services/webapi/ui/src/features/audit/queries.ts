import { infiniteQueryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";

const ENTRIES = 100;

export interface Wanted {
  readonly who: string;
  readonly text: string;
}

/** Entries of the trail, the newest first, as many pages as were asked for. */
export function auditQuery({ who, text }: Wanted) {
  return infiniteQueryOptions({
    queryKey: ["audit", who, text],
    queryFn: ({ signal, pageParam }) =>
      answered(
        api.GET("/api/v1/audit", {
          params: {
            query: {
              limit: ENTRIES,
              ...(who === "" ? {} : { who }),
              ...(text === "" ? {} : { text }),
              ...(pageParam === null ? {} : { before: pageParam }),
            },
          },
          signal,
        }),
      ),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next,
    staleTime: 5_000,
  });
}
