/** Shares of a whole as bars, each a door to what it counts; a list to those who listen. */
import type { ReactNode } from "react";
import { ScopeLink } from "@/scope/ScopeLink";
import css from "./BarList.module.css";

export interface BarRow {
  readonly key: string;
  readonly name: ReactNode;
  readonly figure: ReactNode;
  /** Length of the bar, 0 to 1. */
  readonly share: number;
  readonly scope: string | null;
}

export function BarList({ rows }: { rows: readonly BarRow[] }) {
  return (
    <ol className={css.list}>
      {rows.map((row) => (
        <li key={row.key}>
          <ScopeLink scope={row.scope} className={css.row}>
            <span className={css.name}>{row.name}</span>
            <span className={css.track} aria-hidden="true">
              <span style={{ inlineSize: `${row.share * 100}%` }} />
            </span>
            <span className={css.figure}>{row.figure}</span>
          </ScopeLink>
        </li>
      ))}
    </ol>
  );
}
