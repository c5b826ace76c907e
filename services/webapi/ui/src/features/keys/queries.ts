import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import type { Key, NewKey } from "@/api/types";

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/keys", { signal })),
  staleTime: 10_000,
});

export type KeyRole = "viewer" | "analyst" | "finance" | "telecom_admin" | "security";

export interface WantedKey {
  readonly name: string;
  readonly role: KeyRole;
  readonly days: number;
  /** null = all. */
  readonly sites: readonly string[] | null;
}

/** Make a key; the token is in this answer and nowhere else. */
export function makeKey({ name, role, days, sites }: WantedKey): Promise<NewKey> {
  const branch = { sites: sites === null ? null : [...sites], departments: null };
  return answered(api.POST("/api/v1/keys", { body: { name, role, days, branch } }));
}

export async function endKey(key: Key): Promise<void> {
  await answered(api.DELETE("/api/v1/keys/{key_id}", { params: { path: { key_id: key.key_id } } }));
}

/** A key that holds, has run out, or was ended. */
export function stateOf(key: Key, now: number): "holds" | "run out" | "ended" {
  if (key.ended_at !== null) {
    return "ended";
  }
  return Date.parse(key.expires_at) <= now ? "run out" : "holds";
}
