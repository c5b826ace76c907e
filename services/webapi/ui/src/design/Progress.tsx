import css from "./Progress.module.css";

/** How far something is; `total` 0 = nobody knows, and nothing is drawn. */
export function Progress({ label, done, total }: { label: string; done: number; total: number }) {
  return total > 0 ? (
    <progress className={css.bar} aria-label={label} value={Math.min(done, total)} max={total} />
  ) : null;
}
