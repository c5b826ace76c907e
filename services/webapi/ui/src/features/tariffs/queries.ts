import { queryOptions } from "@tanstack/react-query";
import { answered, api } from "@/api/client";
import { problemOf } from "@/api/problems";
import type { Check, PreviewLine, Tariff, TariffFile } from "@/api/types";

export const tariffsQuery = queryOptions({
  queryKey: ["tariffs"],
  queryFn: ({ signal }) => answered(api.GET("/api/v1/tariffs", { signal })),
  staleTime: 10_000,
});

function named(uid: string, number: number) {
  return { params: { path: { uid, number } } };
}

export function tariffQuery(uid: string, number: number) {
  return queryOptions({
    queryKey: ["tariffs", uid, number],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/tariffs/{uid}/{number}", { ...named(uid, number), signal })),
    staleTime: 10_000,
  });
}

export function storedCheckQuery(uid: string, number: number) {
  return queryOptions({
    queryKey: ["tariffs", uid, number, "check"],
    queryFn: ({ signal }) =>
      answered(api.GET("/api/v1/tariffs/{uid}/{number}/check", { ...named(uid, number), signal })),
    staleTime: 10_000,
  });
}

export function check(files: TariffFile[]): Promise<Check> {
  return answered(api.POST("/api/v1/tariffs/check", { body: { files } }));
}

export function store(files: TariffFile[]): Promise<Tariff> {
  return answered(api.POST("/api/v1/tariffs", { body: { files } }));
}

export function activate(uid: string, number: number): Promise<Tariff> {
  return answered(api.POST("/api/v1/tariffs/{uid}/{number}/activation", named(uid, number)));
}

const DIFFERENCES = 20;

/** Price stored calls anew; lines come as they are known, the summary is the last. */
export async function preview(
  tariff: Tariff,
  filter: string,
  heard: (line: PreviewLine) => void,
  signal: AbortSignal,
): Promise<void> {
  const { data, error, response } = await api.POST("/api/v1/tariffs/{uid}/{number}/preview", {
    ...named(tariff.uid, tariff.version),
    body: { filter, differences: DIFFERENCES },
    parseAs: "stream",
    signal,
  });
  if (!response.ok || data == null) {
    throw problemOf(error, response.status);
  }
  const reader = (data as ReadableStream<Uint8Array>)
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .getReader();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const lines = (rest + read.value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines.filter((text) => text !== "")) {
      heard(JSON.parse(line) as PreviewLine);
    }
  }
}

/** Read files as the API takes them. */
export async function filesOf(chosen: readonly File[]): Promise<TariffFile[]> {
  return Promise.all(
    chosen.map(async (file) => ({ name: file.name, content: await base64(file) })),
  );
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error ?? new Error(file.name));
    reader.readAsDataURL(file);
  });
}
