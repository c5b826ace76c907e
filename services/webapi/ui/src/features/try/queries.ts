import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";

export interface Question {
  readonly number: string;
  readonly at: string | null;
  readonly talkMs: number;
}

/** Price a call that nobody made, by the engine that bills. */
export function trialsQuery({ number, at, talkMs }: Question) {
  return queryOptions({
    queryKey: ["try", number, at, talkMs],
    queryFn: ({ signal }) =>
      answered(api.POST("/api/v1/tariffs/try", { body: { number, at, talk_ms: talkMs }, signal })),
    enabled: /\d{3}/.test(number),
    placeholderData: keepPreviousData,
  });
}
