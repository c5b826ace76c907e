import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";

const AGAIN_MS = 10_000;

export const unitsQuery = queryOptions({
  queryKey: ["units"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/units", { signal })),
  refetchInterval: AGAIN_MS,
});
