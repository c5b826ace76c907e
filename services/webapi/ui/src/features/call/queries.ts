import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";

function named(call_id: string) {
  return { params: { path: { call_id } } };
}

export function callQuery(callId: string) {
  return queryOptions({
    queryKey: ["call", callId],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/calls/{call_id}", { ...named(callId), signal })),
    staleTime: 10_000,
  });
}

export function receiptQuery(callId: string) {
  return queryOptions({
    queryKey: ["call", callId, "receipt"],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/calls/{call_id}/receipt", { ...named(callId), signal })),
    staleTime: 10_000,
  });
}

export function rawQuery(callId: string) {
  return queryOptions({
    queryKey: ["call", callId, "raw"],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/calls/{call_id}/raw", { ...named(callId), signal })),
    staleTime: 60_000,
  });
}
