import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import { problemOf } from "@/api/problems";
import type { Alert, AlertState, BacktestLine, RulesCheck } from "@/api/types";

const SHOWN_MAX = 200;

export function alertsQuery(states: readonly AlertState[]) {
  return queryOptions({
    queryKey: ["alerts", "list", ...states],
    queryFn: ({ signal }) =>
      answered(
        api.GET("/api/v1/alerts", {
          params: { query: { state: [...states], limit: SHOWN_MAX } },
          signal,
        }),
      ),
    staleTime: 5_000,
  });
}

export function alertQuery(alertId: string) {
  return queryOptions({
    queryKey: ["alerts", "one", alertId],
    queryFn: ({ signal }) =>
      answered(
        api.GET("/api/v1/alerts/{alert_id}", { params: { path: { alert_id: alertId } }, signal }),
      ),
    staleTime: 5_000,
  });
}

export const rulesQuery = queryOptions({
  queryKey: ["alerts", "rules"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/alert-rules", { signal })),
  staleTime: 10_000,
});

export type Turn = "ack" | "close" | { readonly until: string };

/** Take an alert in hand, close it, or put it off until a moment. */
export function handle(alertId: string, turn: Turn): Promise<Alert> {
  const params = { path: { alert_id: alertId } };
  if (turn === "ack") {
    return answered(api.POST("/api/v1/alerts/{alert_id}/ack", { params }));
  }
  if (turn === "close") {
    return answered(api.POST("/api/v1/alerts/{alert_id}/close", { params }));
  }
  return answered(
    api.POST("/api/v1/alerts/{alert_id}/snooze", { params, body: { until: turn.until } }),
  );
}

export function checkRules(content: string): Promise<RulesCheck> {
  return answered(api.POST("/api/v1/alert-rules/check", { body: { content } }));
}

/** Try a rule on stored calls; lines come as they are known, the result is the last. */
export async function backtest(
  rule: string,
  filter: string,
  content: string | null,
  heard: (line: BacktestLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const { data, error, response } = await api.POST("/api/v1/alert-rules/{rule_uid}/backtest", {
    params: { path: { rule_uid: rule } },
    body: { filter, content },
    parseAs: "stream",
    signal,
  });
  if (!response.ok || data == null) {
    throw problemOf(error, response.status);
  }
  const reader = (data as ReadableStream<Uint8Array>)
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .getReader();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const lines = (rest + read.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((text) => text !== "")) {
      heard(JSON.parse(line) as BacktestLine);
    }
  }
}
