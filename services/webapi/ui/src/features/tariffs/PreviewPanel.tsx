import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { Problem } from "@/api/problems";
import type { PreviewLine, PreviewSummary, Tariff } from "@/api/types";
import { Button, SelectField } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { Amount, Instant } from "@/design/Figures";
import type { Money } from "@/design/format";
import { useFormats } from "@/design/formats";
import { Panel } from "@/design/Page";
import { useWords } from "@/scope/words";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { preview } from "./queries";
import css from "./tariffs.module.css";

const PERIODS = ["last-month", "this-month", "last-30d", "last-7d"] as const;
const ALL = "all";
/** Whoever names no period is asked about the last 30 days. */
const ANY_TIME = "from=1971-01-01&to=2999-12-31";

/** What stored calls would have cost with this version. */
export function PreviewPanel({ tariff }: { tariff: Tariff }) {
  const { t } = useLingui();
  const { count } = useFormats();
  const words = useWords();
  const [period, setPeriod] = useState<string>(PERIODS[0]);
  const [line, setLine] = useState<PreviewLine | null>(null);
  const stopping = useRef<AbortController | null>(null);
  const running = useMutation({
    mutationFn: async () => {
      stopping.current = new AbortController();
      setLine(null);
      const filter = period === ALL ? ANY_TIME : `period=${period}`;
      await preview(tariff, filter, keep, stopping.current.signal);
    },
  });
  const keep = (next: PreviewLine) => {
    if (next.problem != null) {
      throw new Problem({ title: next.problem, status: 500, code: next.problem });
    }
    setLine(next);
  };
  const done = line?.progress?.calls ?? line?.summary?.calls ?? 0;
  return (
    <Panel title={t`Cost preview`}>
      <div className={css.ask}>
        <SelectField
          label={t`Calls of`}
          value={period}
          onChange={setPeriod}
          choices={[
            ...PERIODS.map((name) => ({ value: name, label: words(name) })),
            { value: ALL, label: t`Any time` },
          ]}
        />
        {running.isPending ? (
          <Button onPress={() => stopping.current?.abort()}>{t`Cancel`}</Button>
        ) : (
          <Button onPress={() => running.mutate()}>{t`Preview`}</Button>
        )}
        {running.isPending ? (
          <span role="status">
            <Trans>{count(done)} calls looked at</Trans>
          </span>
        ) : null}
      </div>
      {running.error === null || running.error.name === "AbortError" ? null : (
        <ProblemPanel error={running.error} />
      )}
      {line?.summary == null ? null : <Summary summary={line.summary} />}
    </Panel>
  );
}

function Summary({ summary }: { summary: PreviewSummary }) {
  const { t } = useLingui();
  const { count } = useFormats();
  const money = (value: Money | null) =>
    value === null ? "–" : <Amount money={value} places="charge" />;
  return (
    <div className={css.stack}>
      <p>
        <Plural value={summary.calls} one="# call looked at" other="# calls looked at" />
        {", "}
        <Plural
          value={summary.changed}
          one="# would cost something else"
          other="# would cost something else"
        />
      </p>
      <DataTable
        label={t`Sums`}
        rows={summary.sums}
        keyOf={(sum) => sum.after?.currency ?? sum.before?.currency ?? ""}
        columns={[
          { key: "before", head: t`Cost now`, end: true, cell: (sum) => money(sum.before) },
          { key: "after", head: t`Cost with it`, end: true, cell: (sum) => money(sum.after) },
          {
            key: "difference",
            head: t`Difference`,
            end: true,
            cell: (sum) => money(sum.difference),
          },
          {
            key: "unpriced",
            head: t`Not priced`,
            end: true,
            cell: (sum) => `${count(sum.unpriced_before)} → ${count(sum.unpriced_after)}`,
          },
        ]}
      />
      {summary.differences.length === 0 ? null : (
        <DataTable
          label={t`Biggest differences`}
          rows={summary.differences}
          keyOf={(difference) => difference.call_id}
          columns={[
            {
              key: "call",
              head: t`Call`,
              cell: (row) => (
                <Link to="/calls/$callId" params={{ callId: row.call_id }}>
                  {row.started_at === null ? (
                    row.call_id
                  ) : (
                    <Instant at={row.started_at} zone="UTC" />
                  )}
                </Link>
              ),
            },
            { key: "before", head: t`Cost now`, end: true, cell: (row) => money(row.before) },
            { key: "after", head: t`Cost with it`, end: true, cell: (row) => money(row.after) },
            {
              key: "difference",
              head: t`Difference`,
              end: true,
              cell: (row) => money(row.difference),
            },
            { key: "reason", head: t`Why`, cell: (row) => row.reason },
          ]}
        />
      )}
    </div>
  );
}
