import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Problem } from "@/api/problems";
import type { Backtested, BacktestLine } from "@/api/types";
import { Button, SelectField } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { useFormats } from "@/design/formats";
import { Panel } from "@/design/Page";
import { ScopeLink } from "@/scope/ScopeLink";
import { useWords } from "@/scope/words";
import { ProblemPanel } from "@/shell/ProblemPanel";
import css from "./alerts.module.css";
import { backtest } from "./queries";
import { AlertTimes, Found, useAlertWords } from "./words";

const PERIODS = ["last-month", "this-month", "last-30d", "last-7d"] as const;

/** What a rule would have told of stored calls, and by which calls. */
export function BacktestPanel({
  rule,
  title,
  content,
}: {
  rule: string;
  title: string;
  content: string | null;
}) {
  const { t } = useLingui();
  const { count } = useFormats();
  const words = useWords();
  const [period, setPeriod] = useState<string>(PERIODS[0]);
  const [line, setLine] = useState<BacktestLine | null>(null);
  const stopping = useRef<AbortController | null>(null);
  const running = useMutation({
    mutationFn: async () => {
      stopping.current = new AbortController();
      setLine(null);
      await backtest(rule, `period=${period}`, content, keep, stopping.current.signal);
    },
  });
  const keep = (next: BacktestLine) => {
    if (next.problem != null) {
      throw new Problem({ title: next.problem, status: 500, code: next.problem });
    }
    setLine(next);
  };
  const done = line?.progress?.calls ?? line?.result?.calls ?? 0;
  return (
    <Panel title={title}>
      <div className={css.ask}>
        <SelectField
          label={t`Calls of`}
          value={period}
          onChange={setPeriod}
          choices={PERIODS.map((name) => ({ value: name, label: words(name) }))}
        />
        {running.isPending ? (
          <Button onPress={() => stopping.current?.abort()}>{t`Cancel`}</Button>
        ) : (
          <Button onPress={() => running.mutate()}>{t`Try it`}</Button>
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
      {line?.result == null ? null : <Result result={line.result} />}
    </Panel>
  );
}

function Result({ result }: { result: Backtested }) {
  const { t } = useLingui();
  const words = useAlertWords();
  return (
    <div className={css.stack}>
      <p role="status">
        <Plural
          value={result.alerts}
          _0="It would have told nothing."
          one="It would have told once."
          other="It would have told # times."
        />{" "}
        <Plural value={result.calls} one="# call looked at" other="# calls looked at" />
      </p>
      {result.found.length === 0 ? null : (
        <DataTable
          label={t`What it would have told`}
          rows={result.found}
          keyOf={(found) => found.alert.alert_id}
          columns={[
            { key: "about", head: t`About`, cell: (found) => words.object(found.alert) },
            {
              key: "site",
              head: t`Site`,
              cell: (found) => found.alert.site?.name ?? found.alert.site?.uid ?? "",
            },
            {
              key: "calls",
              head: t`Calls`,
              cell: (found) => (
                <ScopeLink scope={found.scope}>
                  <AlertTimes alert={found.alert} />
                </ScopeLink>
              ),
            },
            { key: "found", head: t`Found`, cell: (found) => <Found alert={found.alert} /> },
          ]}
        />
      )}
    </div>
  );
}
