import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Process } from "@/api/types";

const AGAIN_MS = 5_000;

export const serverQuery = queryOptions({
  queryKey: ["server"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/server", { signal })),
  refetchInterval: AGAIN_MS,
});

export type LogLevel = NonNullable<Process["log_level"]>;
export const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

export interface WantedLevel {
  readonly instance: string;
  readonly level: LogLevel;
  readonly minutes: number;
}

export function setLogLevel(wanted: WantedLevel): Promise<Process> {
  return answered(api.POST("/api/v1/server/log-level", { body: wanted }));
}

/** Let a process end; `although` = also while another one is not ready. */
export function drain(wanted: { instance: string; although: boolean }): Promise<Process> {
  return answered(api.POST("/api/v1/server/drain", { body: wanted }));
}
