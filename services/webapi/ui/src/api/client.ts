/** How the page asks the API: one place for the CSRF token and for answers that are refusals. */
import createClient, { type Middleware } from "openapi-fetch";
import { Problem, problemOf, UNREACHABLE } from "./problems";
import type { paths } from "./schema";

let csrf: string | null = null;

/** Keep the token of the session; every write carries it. */
export function keepCsrf(token: string | null): void {
  csrf = token;
}

const withCsrf: Middleware = {
  onRequest({ request }) {
    if (csrf !== null && request.method !== "GET") {
      request.headers.set("X-CSRF-Token", csrf);
    }
    return request;
  },
  onError({ error }) {
    const aborted = error instanceof DOMException && error.name === "AbortError";
    return aborted
      ? undefined
      : new Problem({ title: "unreachable", status: 0, code: UNREACHABLE });
  },
};

export const api = createClient<paths>({ credentials: "same-origin" });
api.use(withCsrf);

/** Give what was asked for, or throw the refusal. */
export async function answered<Answer>(
  asked: Promise<{ data?: Answer; error?: unknown; response: Response }>,
): Promise<Answer> {
  const { data, error, response } = await asked;
  if (!response.ok) {
    throw problemOf(error, response.status);
  }
  return data as Answer;
}
