import { useLingui } from "@lingui/react/macro";
import type { Group, Report } from "@/api/types";
import { amountIn, type SumColumn, sumsOf } from "@/charts/sums";
import { useFormats } from "@/design/formats";
import { ScopeLink } from "@/scope/ScopeLink";
import { useWords } from "@/scope/words";
import css from "./reports.module.css";

const MINUTE_MS = 60_000;

/** Lines of a report and its total, which comes from the server and is never summed here. */
export function ReportTable({ report, head }: { report: Report; head: string }) {
  const { t } = useLingui();
  const sums = sumsOf([...report.rows, report.total]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is of forms
    <div className={css.scroll} role="group" aria-label={head} tabIndex={0}>
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">{head}</th>
            <th scope="col">{t`Calls`}</th>
            <th scope="col" data-part="talk">{t`Answered`}</th>
            <th scope="col" data-part="talk">{t`Minutes`}</th>
            {sums.map((sum) => (
              <th key={`${sum.list} ${sum.currency}`} scope="col">
                {sum.list}, {sum.currency}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {report.rows.map((row) => (
            <Line key={row.name?.uid ?? ""} row={row} sums={sums} />
          ))}
        </tbody>
        <tfoot>
          <Line row={report.total} sums={sums} name={t`Total`} />
        </tfoot>
      </table>
    </div>
  );
}

function Line({ row, sums, name }: { row: Group; sums: readonly SumColumn[]; name?: string }) {
  const { t } = useLingui();
  const { count, amount } = useFormats();
  const words = useWords();
  const said = name ?? (row.name === null ? t`not known` : (row.name.name ?? words(row.name.uid)));
  return (
    <tr>
      <th scope="row">
        <ScopeLink scope={row.scope}>{said}</ScopeLink>
      </th>
      <td>{count(row.calls)}</td>
      <td data-part="talk">{count(row.answered)}</td>
      <td data-part="talk">{count(Math.round(row.talk_ms / MINUTE_MS))}</td>
      {sums.map((sum) => {
        const money = amountIn(row.money, sum);
        return (
          <td key={`${sum.list} ${sum.currency}`}>
            {money === null ? "–" : amount(money, "total")}
          </td>
        );
      })}
    </tr>
  );
}
