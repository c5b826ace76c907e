/** What the API says when it cannot do as asked (problem+json), or when it cannot be reached. */
export interface ProblemDetail {
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail?: string | null;
  readonly remedy?: string | null;
  readonly trace_id?: string | null;
  readonly params?: Readonly<Record<string, unknown>> | null;
}

export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: string | null;
  readonly remedy: string | null;
  readonly traceId: string | null;
  readonly params: Readonly<Record<string, unknown>>;

  constructor(said: ProblemDetail) {
    super(said.title);
    this.name = "Problem";
    this.status = said.status;
    this.code = said.code;
    this.detail = said.detail ?? null;
    this.remedy = said.remedy ?? null;
    this.traceId = said.trace_id ?? null;
    this.params = said.params ?? {};
  }
}

/** Codes of the page itself, for answers that are no problem+json. */
export const UNREACHABLE = "unreachable";
export const UNREADABLE = "unreadable";

export function problemOf(body: unknown, status: number): Problem {
  if (isDetail(body)) {
    return new Problem({ ...body, status });
  }
  return new Problem({ title: `HTTP ${status}`, status, code: UNREADABLE });
}

function isDetail(body: unknown): body is ProblemDetail {
  return typeof body === "object" && body !== null && "title" in body && "code" in body;
}

/** Reads are asked again where another answer is likely; never writes, never refusals. */
export function worthAsking(failures: number, error: Error): boolean {
  const passing =
    error instanceof Problem &&
    (error.code === UNREACHABLE || error.status >= 500 || error.status === 429);
  return passing && failures < 3;
}
