/** Pages, actions and things for the palette: what the reader may, and what is typed. */
import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { answered, api } from "@/api/client";
import type { NavigationGroup } from "./pages";
import { digitsOf, fitting, isCallId, lastUsed, meant, type PaletteEntry } from "./palette-entries";
import { type Permission, useMay } from "./permissions";

const PAUSE_MS = 150;
const THINGS = 6;
const LETTERS_MIN = 2;

/** Give what may be opened, in the order of its groups. */
export function usePaletteEntries(
  typed: string,
  pages: readonly NavigationGroup[],
): readonly PaletteEntry[] {
  const { t } = useLingui();
  const { kind, words } = meant(typed);
  const known = [...usePages(pages), ...useActions()];
  const things = useThings(words, kind === "all" || kind === "people");
  if (words === "" && kind === "all") {
    const last = lastUsed();
    const used = last.flatMap((id) => known.filter((entry) => entry.id === id));
    const rest = known.filter((entry) => !used.includes(entry));
    return [...used.map((entry) => ({ ...entry, group: t`Last used` })), ...rest];
  }
  switch (kind) {
    case "actions":
      return fitting(known, words).filter((entry) => entry.id?.startsWith(">") === true);
    case "people":
      return things;
    case "ids":
      return idsOf(words, t`Open`, t`Call ${words}`, t`Job ${words}`);
    case "all": {
      const calls = callsOf(
        words,
        t`Calls`,
        t`Calls with ${words}`,
        t`Calls of extension ${words}`,
      );
      const places = fitting(known, words);
      return digitsOf(words) === null
        ? [...places, ...things, ...calls]
        : [...calls, ...things, ...places];
    }
  }
}

function usePages(pages: readonly NavigationGroup[]): PaletteEntry[] {
  const { t, i18n } = useLingui();
  return pages
    .flatMap((group) => group.entries)
    .map((entry) => ({ id: entry.to, group: t`Pages`, label: i18n._(entry.word), to: entry.to }));
}

function useActions(): PaletteEntry[] {
  const { t } = useLingui();
  const may = useMay();
  const actions: readonly [Permission, string, string][] = [
    ["tariffs.change", t`Import a price list`, "/tariffs/import"],
    ["suspense.repair", t`Mend records that wait`, "/suspense"],
    ["suspense.repair", t`Say that a record that came twice is two calls`, "/suspense/twice"],
    ["suspense.see", t`Try lines of a PBX`, "/workshop"],
    ["jobs.steer", t`Pause or cancel a job`, "/jobs"],
    ["users.manage", t`Add somebody`, "/settings/people"],
    ["users.manage", t`Make a key for a program`, "/settings/keys"],
    ["server.steer", t`Change a log level, or let a role end`, "/server"],
    ["self", t`Change my password`, "/settings/me"],
  ];
  return actions
    .filter(([needs]) => may(needs))
    .map(([, label, to]) => ({ id: `>${to}`, group: t`Actions`, label, to }));
}

/** People and extensions of the directory, a moment after typing. */
function useThings(words: string, wanted: boolean): PaletteEntry[] {
  const { t } = useLingui();
  const may = useMay()("directory.see");
  const text = useRested(words);
  const found = useQuery({
    queryKey: ["palette", text],
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/directory/search", {
          body: { at: null, department: null, site: null, text, limit: THINGS },
          signal,
        }),
      ),
    enabled: may && wanted && text.length >= LETTERS_MIN,
    placeholderData: (before) => before,
    staleTime: 60_000,
  }).data;
  if (found === undefined || words.length < LETTERS_MIN || !wanted) {
    return [];
  }
  return found.people.map((person) => ({
    id: null,
    group: t`People`,
    label: [
      person.name || person.uid,
      ...person.extensions.map((place) => place.extension),
      person.department?.name ?? "",
    ]
      .filter(Boolean)
      .join(" · "),
    to: "/calls",
    search: { person: encodeURIComponent(person.uid) },
  }));
}

function useRested(words: string): string {
  const [rested, setRested] = useState(words);
  useEffect(() => {
    const waiting = window.setTimeout(() => setRested(words), PAUSE_MS);
    return () => window.clearTimeout(waiting);
  }, [words]);
  return rested;
}

function callsOf(
  words: string,
  group: string,
  withWords: string,
  ofExtension: string,
): PaletteEntry[] {
  const digits = digitsOf(words);
  if (digits === null) {
    return words.length < LETTERS_MIN
      ? []
      : [
          {
            id: null,
            group,
            label: withWords,
            to: "/calls",
            hash: `text~=${encodeURIComponent(words)}`,
          },
        ];
  }
  const number = { id: null, group, label: withWords, to: "/calls", hash: `number=${digits}` };
  const extension = {
    id: null,
    group,
    label: ofExtension,
    to: "/calls",
    search: { extension: digits },
  };
  return digits.startsWith("+") ? [number] : [number, extension];
}

function idsOf(words: string, group: string, call: string, job: string): PaletteEntry[] {
  if (words === "") {
    return [];
  }
  return isCallId(words)
    ? [{ id: null, group, label: call, to: `/calls/${words}` }]
    : [{ id: null, group, label: job, to: `/jobs/${encodeURIComponent(words)}` }];
}
