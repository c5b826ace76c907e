import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Job } from "@/api/types";

/** The tree of departments; `at` null = today. */
export function treeQuery(at: string | null) {
  return queryOptions({
    queryKey: ["directory", at],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/directory", { params: { query: { at } }, signal })),
    staleTime: 30_000,
    placeholderData: (before) => before,
  });
}

export interface Wanted {
  readonly at: string | null;
  readonly department: string | null;
  readonly text: string;
}

/** People and extensions of a day; names travel in the body. */
export function foundQuery({ at, department, text }: Wanted) {
  return queryOptions({
    queryKey: ["directory", "found", at, department, text],
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/directory/search", {
          body: { at, department, site: null, text, limit: 200 },
          signal,
        }),
      ),
    staleTime: 30_000,
    placeholderData: (before) => before,
  });
}

export function historyQuery(site: string, extension: string) {
  return queryOptions({
    queryKey: ["directory", "history", site, extension],
    queryFn: ({ signal }) =>
      answered(
        api.GET("/api/v1/directory/history", { params: { query: { site, extension } }, signal }),
      ),
    staleTime: 30_000,
  });
}

/** What an erasure would take away. */
export function erasurePreviewQuery(person: string) {
  return queryOptions({
    queryKey: ["erasure", person],
    queryFn: ({ signal }) =>
      answered(api.POST("/api/v1/erasures/preview", { body: { person_uid: person }, signal })),
    staleTime: 0,
    gcTime: 0,
  });
}

export function erase(person: string, name: string): Promise<Job> {
  return answered(
    api.POST("/api/v1/erasures", { body: { person_uid: person, confirmation: name.trim() } }),
  );
}
