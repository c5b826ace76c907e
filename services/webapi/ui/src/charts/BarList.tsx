/** Shares of a whole as bars, each a door to what it counts; figures stand under their heads. */
import type { ReactNode } from "react";
import { ScopeLink } from "@/scope/ScopeLink";
import css from "./BarList.module.css";

export interface BarRow {
  readonly key: string;
  readonly name: ReactNode;
  readonly figures: readonly ReactNode[];
  /** Length of the bar, 0 to 1. */
  readonly share: number;
  readonly scope: string | null;
}

export function BarList({ heads, rows }: { heads: readonly string[]; rows: readonly BarRow[] }) {
  return (
    <div className={css.list}>
      <div className={css.heads} aria-hidden="true">
        <span className={css.name} />
        <span className={css.track} />
        {heads.map((head) => (
          <span key={head} className={css.figure}>
            {head}
          </span>
        ))}
      </div>
      <ol>
        {rows.map((row) => (
          <li key={row.key}>
            <ScopeLink scope={row.scope} className={css.row}>
              <span className={css.name}>{row.name}</span>
              <span className={css.track} aria-hidden="true">
                <span style={{ inlineSize: `${row.share * 100}%` }} />
              </span>
              {heads.map((head, index) => (
                <span key={head} className={css.figure}>
                  <span className="heard-only">{head} </span>
                  {row.figures[index]}
                </span>
              ))}
            </ScopeLink>
          </li>
        ))}
      </ol>
    </div>
  );
}
