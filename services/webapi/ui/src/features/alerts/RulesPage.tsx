import { useLingui } from "@lingui/react/macro";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { AlertRule, RulesCheck } from "@/api/types";
import { Button } from "@/design/controls";
import { DataTable } from "@/design/DataTable";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import css from "./alerts.module.css";
import { BacktestPanel } from "./BacktestPanel";
import { checkRules, rulesQuery } from "./queries";
import { levelOf, useAlertWords } from "./words";

/** The rules in force, and a place to try others before they are. */
export function RulesPage() {
  const { t } = useLingui();
  const may = useMay();
  const rules = useQuery(rulesQuery);
  return (
    <>
      <PageHead title={t`Rules of alerts`} aside={<Link to="/alerts">{t`All alerts`}</Link>}>
        {rules.data?.file == null ? null : (
          <p className={css.muted}>{t`Declared in ${rules.data.file}, and changed there.`}</p>
        )}
      </PageHead>
      {rules.error === null ? null : (
        <ProblemPanel error={rules.error} onRetry={() => void rules.refetch()} />
      )}
      {rules.isPending ? <Skeleton lines={5} /> : null}
      {rules.data === undefined ? null : (
        <div className={css.stack}>
          {rules.data.items.length === 0 ? (
            <Empty title={t`No rule is declared`}>
              <p>{t`Name a file of rules as "alerts" in bluewhale.yaml.`}</p>
            </Empty>
          ) : (
            <Panel title={t`In force`} flush>
              <RuleTable rules={rules.data.items} />
            </Panel>
          )}
          {may("numbers.see") ? <TryRules /> : null}
        </div>
      )}
    </>
  );
}

function RuleTable({ rules }: { rules: readonly AlertRule[] }) {
  const { t } = useLingui();
  const words = useAlertWords();
  return (
    <DataTable
      label={t`In force`}
      rows={rules}
      keyOf={(rule) => rule.rule}
      columns={[
        {
          key: "name",
          head: t`Rule`,
          cell: (rule) => (
            <Link to="/alerts/rules/$ruleUid" params={{ ruleUid: rule.rule }}>
              {rule.name}
            </Link>
          ),
        },
        { key: "kind", head: t`Kind`, cell: (rule) => words.kind(rule.kind) },
        {
          key: "severity",
          head: t`Weight`,
          cell: (rule) => (
            <Status level={levelOf(rule.severity)}>{words.severity(rule.severity)}</Status>
          ),
        },
        {
          key: "sites",
          head: t`Sites`,
          cell: (rule) =>
            rule.sites.length === 0
              ? t`all`
              : rule.sites.map((site) => site.name ?? site.uid).join(", "),
        },
        {
          key: "to",
          head: t`Tells`,
          cell: (rule) =>
            rule.live ? [t`this page`, ...rule.to].join(", ") : t`nobody: it is only tried`,
        },
      ]}
    />
  );
}

/** Rules that are not in force: read, judged, tried on stored calls; nothing is stored. */
function TryRules() {
  const { t } = useLingui();
  const [content, setContent] = useState("");
  const checking = useMutation({ mutationFn: () => checkRules(content) });
  return (
    <Panel title={t`Try rules before they are in force`}>
      <form
        className={css.form}
        onSubmit={(event) => {
          event.preventDefault();
          checking.mutate();
        }}
      >
        <label className={css.text}>
          <span>{t`Rules, as in the file`}</span>
          <textarea
            rows={8}
            dir="ltr"
            spellCheck={false}
            value={content}
            onChange={(event) => {
              setContent(event.currentTarget.value);
              checking.reset();
            }}
          />
        </label>
        <div className={css.actions}>
          <Button submit busy={checking.isPending} disabled={content.trim() === ""}>
            {t`Check`}
          </Button>
        </div>
        {checking.error === null ? null : <ProblemPanel error={checking.error} />}
      </form>
      {checking.data === undefined ? null : <Checked check={checking.data} content={content} />}
    </Panel>
  );
}

function Checked({ check, content }: { check: RulesCheck; content: string }) {
  const { t } = useLingui();
  if (!check.good) {
    return (
      <DataTable
        label={t`Mistakes`}
        rows={check.mistakes}
        keyOf={(mistake) => `${mistake.line} ${mistake.field} ${mistake.problem}`}
        columns={[
          { key: "line", head: t`Line`, end: true, cell: (mistake) => mistake.line },
          { key: "field", head: t`Field`, cell: (mistake) => mistake.field },
          { key: "problem", head: t`What is wrong`, cell: (mistake) => mistake.problem },
          { key: "remedy", head: t`What to do`, cell: (mistake) => mistake.remedy },
        ]}
      />
    );
  }
  return (
    <div className={css.stack}>
      <Status level="ok">{t`Good: it could be in force.`}</Status>
      {check.rules.map((rule) => (
        <BacktestPanel key={rule.rule} rule={rule.rule} title={rule.name} content={content} />
      ))}
    </div>
  );
}
