/** The scope in the address, and ways to go to another. */
import { useLocation, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { addressOf, parseScope, type Scope, VIEW } from "./grammar";

/** Parameters as the router holds them: name with its sign, value as it stands in the address. */
export type RawSearch = Record<string, string>;

export function parseSearch(text: string): RawSearch {
  const search: RawSearch = {};
  for (const part of text.replace(/^\?/, "").split("&")) {
    const at = part.indexOf("=");
    if (at > 0) {
      search[part.slice(0, at).replace(/%(3E|3C|21|7E|5E)/gi, decodeURIComponent)] = part.slice(
        at + 1,
      );
    }
  }
  return search;
}

export function printSearch(search: Record<string, unknown>): string {
  const parts = Object.entries(search)
    .filter((entry): entry is [string, string] => typeof entry[1] === "string" && entry[1] !== "")
    .map(([name, value]) => `${name}=${value}`);
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

export function useScope(): Scope {
  const { searchStr, hash } = useLocation();
  return useMemo(() => [...parseScope(searchStr), ...parseScope(hash)], [searchStr, hash]);
}

/** Where a scope's calls are listed, as properties of a router link. */
export function callsOf(scope: Scope) {
  const { search, hash } = addressOf(scope);
  return { to: "/calls", search: parseSearch(search), hash } as const;
}

/** Open the calls of a scope. */
export function useOpenScope(): (scope: Scope) => void {
  const navigate = useNavigate();
  return (scope) => void navigate(callsOf(scope));
}

/** Change the scope of the page that is open; what else its address says stays. */
export function useChangeScope(): (scope: Scope) => void {
  const navigate = useNavigate();
  return (scope) => {
    const { search, hash } = addressOf(scope);
    void navigate({
      to: ".",
      search: (old: RawSearch) => ({ ...viewOf(old), ...parseSearch(search) }),
      hash,
    });
  };
}

function viewOf(search: RawSearch): RawSearch {
  return Object.fromEntries(Object.entries(search).filter(([name]) => VIEW.has(name)));
}
