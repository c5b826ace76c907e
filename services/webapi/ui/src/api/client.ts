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

/** Requests whose answer did not come yet, with their keys. */
const unanswered = new Map<string, string>();
const ONLY_ASKS =
  /\/(search|aggregate|export|check|preview|backtest|try|session|totp|tariffs)$|\/reports\//;

/** Pressing twice, or again after an answer was lost, acts once: the same request has the same key. */
const withKey: Middleware = {
  async onRequest({ request }) {
    if (request.method !== "GET" && !ONLY_ASKS.test(new URL(request.url).pathname)) {
      const said = await saidBy(request);
      const key = unanswered.get(said) ?? crypto.randomUUID();
      unanswered.set(said, key);
      request.headers.set("Idempotency-Key", key);
    }
    return request;
  },
  async onResponse({ request, response }) {
    // what the server did not finish may have been done: the key is kept for the next press
    if (response.status < 500 && request.headers.has("Idempotency-Key")) {
      const key = request.headers.get("Idempotency-Key");
      for (const [said, held] of unanswered) {
        if (held === key) {
          unanswered.delete(said);
        }
      }
    }
    return response;
  },
};

/** Answers that many ask for may be a second old; whoever changed something sees it at once. */
const SEEN_BY_ALL_MS = 2_000;
let changedAt = Number.NEGATIVE_INFINITY;

const withOwnChanges: Middleware = {
  onRequest({ request }) {
    if (performance.now() - changedAt < SEEN_BY_ALL_MS) {
      request.headers.set("Cache-Control", "no-cache");
    }
    return request;
  },
  onResponse({ request, response }) {
    if (request.method !== "GET" && !ONLY_ASKS.test(new URL(request.url).pathname)) {
      changedAt = performance.now();
    }
    return response;
  },
};

async function saidBy(request: Request): Promise<string> {
  return `${request.method} ${request.url} ${await request.clone().text()}`;
}

export const api = createClient<paths>({ credentials: "same-origin" });
api.use(withCsrf, withKey, withOwnChanges);

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
