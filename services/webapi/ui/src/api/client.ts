/** How the page asks the API: one place for the CSRF token and for answers that are refusals. */
import { Problem, problemOf, UNREACHABLE } from "./problems";

const BASE = "/api/v1";

let csrf: string | null = null;

/** Keep the token of the session; every write carries it. */
export function keepCsrf(token: string | null): void {
  csrf = token;
}

export function read<Answer>(path: string, signal?: AbortSignal): Promise<Answer> {
  return ask<Answer>(path, { method: "GET", signal: signal ?? null });
}

export function send<Answer>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Answer> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (csrf !== null) {
    headers["X-CSRF-Token"] = csrf;
  }
  return ask<Answer>(path, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  });
}

async function ask<Answer>(path: string, request: RequestInit): Promise<Answer> {
  const answer = await reached(path, request);
  const body: unknown = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) {
    throw problemOf(body, answer.status);
  }
  return body as Answer;
}

async function reached(path: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(BASE + path, { ...request, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      throw error;
    }
    throw new Problem({ title: "unreachable", status: 0, code: UNREACHABLE });
  }
}
