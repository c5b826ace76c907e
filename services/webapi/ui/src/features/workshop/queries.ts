import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Dialect } from "@/api/types";
import { base64Of } from "@/raw/raw-bytes";

export const dialectsQuery = queryOptions({
  queryKey: ["dialects"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/dialects", { signal })),
  staleTime: 60_000,
});

export interface Pasted {
  readonly dialectId: string;
  /** null = none: the usual settings, or those given. */
  readonly linkUid: string | null;
  readonly options: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Read pasted lines with the parser that reads the links; stores nothing. */
export function triedQuery({ dialectId, linkUid, options, text }: Pasted) {
  return queryOptions({
    queryKey: ["tried", dialectId, linkUid, options, text],
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/dialects/{dialect_id}/try", {
          params: { path: { dialect_id: dialectId } },
          body: {
            raw: base64Of(asPrinted(text)),
            link_uid: linkUid,
            options: linkUid === null ? { ...options } : null,
            zone: null,
            country: null,
          },
          signal,
        }),
      ),
    enabled: dialectId !== "" && text.trim() !== "",
    placeholderData: (before) => before,
    retry: false,
  });
}

/** A text field ends lines with LF alone; PBXs end them with CR LF, and so does the last one. */
export function asPrinted(text: string): string {
  return `${text.replace(/\r?\n$/, "").replace(/\r?\n/g, "\r\n")}\r\n`;
}

/** The settings of a format that have a closed list of choices, each with its default. */
export function choicesOf(dialect: Dialect | undefined) {
  return dialect?.options.filter((option) => option.kind === "choice") ?? [];
}
