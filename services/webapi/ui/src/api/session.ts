/** Who is signed in; asked once and again after every refusal. */
import { queryOptions } from "@tanstack/react-query";
import { keepCsrf, read, send } from "./client";
import type { Choices, Me, SessionState } from "./types";

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => read<SessionState>("/session", signal),
  staleTime: 0,
});

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => kept(await read<Me>("/me", signal)),
  staleTime: 60_000,
});

export const choicesQuery = queryOptions({
  queryKey: ["choices"],
  queryFn: ({ signal }) => read<Choices>("/choices", signal),
  staleTime: 300_000,
});

export async function signIn(name: string, password: string): Promise<Me> {
  return kept(await send<Me>("POST", "/session", { name, password }));
}

export async function welcome(token: string, name: string, password: string): Promise<Me> {
  return kept(await send<Me>("POST", "/welcome", { token, name, password }));
}

export async function signOut(): Promise<void> {
  await send<null>("DELETE", "/session");
  keepCsrf(null);
}

function kept(me: Me): Me {
  keepCsrf(me.csrf);
  return me;
}
