/** Parts of one matter as links beside each other; each has its own address. */
import { Link } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import css from "./Tabs.module.css";

export interface TabEntry {
  readonly to: string;
  readonly word: string;
}

export function Tabs({ label, entries }: { label: string; entries: readonly TabEntry[] }) {
  const nav = useRef<HTMLElement>(null);
  // On a phone the chosen one may lie behind the edge.
  useEffect(() => {
    nav.current
      ?.querySelector("[aria-current]")
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, []);
  return (
    <nav ref={nav} className={css.tabs} aria-label={label} data-print="no">
      {entries.map((entry) => (
        <Link
          key={entry.to}
          to={entry.to}
          activeOptions={{ exact: true, includeSearch: false, includeHash: false }}
        >
          {entry.word}
        </Link>
      ))}
    </nav>
  );
}
