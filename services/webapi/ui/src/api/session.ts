/** Who is signed in; asked once and again after every refusal. */
import { queryOptions } from "@tanstack/react-query";
import { answered, api, keepCsrf } from "./client";
import type { Challenge, Me } from "./types";

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/session", { signal })),
});

export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => kept(await answered(api.GET("/api/v1/me", { signal }))),
  staleTime: 60_000,
});

export const choicesQuery = queryOptions({
  queryKey: ["choices"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/choices", { signal })),
  staleTime: 300_000,
});

/** Sign in; who has a second factor owes its code first. */
export async function signIn(name: string, password: string): Promise<Me | Challenge> {
  const found = await answered(api.POST("/api/v1/session", { body: { name, password } }));
  return "challenge" in found ? found : kept(found);
}

export async function finishSignIn(challenge: string, code: string): Promise<Me> {
  return kept(await answered(api.POST("/api/v1/session/totp", { body: { challenge, code } })));
}

export interface FirstAccount {
  readonly token: string;
  readonly name: string;
  readonly display_name: string;
  readonly password: string;
}

/** Make the first account by the link of the first start. */
export async function welcome(account: FirstAccount): Promise<Me> {
  return kept(await answered(api.POST("/api/v1/welcome", { body: account })));
}

export async function signOut(): Promise<void> {
  await answered(api.DELETE("/api/v1/session"));
  keepCsrf(null);
}

function kept(me: Me): Me {
  keepCsrf(me.csrf);
  return me;
}
