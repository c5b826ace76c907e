import { queryOptions } from "@tanstack/react-query";
import { read } from "@/api/client";
import type { CallDetail, Raw, Receipt } from "@/api/types";

function path(callId: string): string {
  return `/calls/${encodeURIComponent(callId)}`;
}

export function callQuery(callId: string) {
  return queryOptions({
    queryKey: ["call", callId],
    queryFn: ({ signal }) => read<CallDetail>(path(callId), signal),
    staleTime: 10_000,
  });
}

export function receiptQuery(callId: string) {
  return queryOptions({
    queryKey: ["call", callId, "receipt"],
    queryFn: ({ signal }) => read<Receipt>(`${path(callId)}/receipt`, signal),
    staleTime: 10_000,
  });
}

export function rawQuery(callId: string) {
  return queryOptions({
    queryKey: ["call", callId, "raw"],
    queryFn: ({ signal }) => read<Raw>(`${path(callId)}/raw`, signal),
    staleTime: 60_000,
  });
}
