/** Files that the API streams, put where the browser puts downloads. */
import { api } from "./client";
import { problemOf } from "./problems";

export type ExportForm = "xlsx" | "csv" | "jsonl";

/** Fetch the calls of a scope as a file and hand it to the browser. */
export async function downloadCalls(filter: string, form: ExportForm): Promise<void> {
  const { data, error, response } = await api.POST("/api/v1/calls/export", {
    body: { filter, form },
    parseAs: "blob",
  });
  if (!response.ok || data === undefined) {
    throw problemOf(error, response.status);
  }
  const address = URL.createObjectURL(data as Blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = nameOf(response) ?? `calls.${form}`;
  link.click();
  URL.revokeObjectURL(address);
}

function nameOf(response: Response): string | null {
  const said = response.headers.get("Content-Disposition") ?? "";
  return /filename="([^"]+)"/.exec(said)?.[1] ?? null;
}
