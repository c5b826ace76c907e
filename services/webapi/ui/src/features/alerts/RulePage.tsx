import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Facts, PageHead } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { BacktestPanel } from "./BacktestPanel";
import { rulesQuery } from "./queries";
import { levelOf, useAlertWords } from "./words";

export function RulePage() {
  const { t } = useLingui();
  const words = useAlertWords();
  const { ruleUid } = useParams({ from: "/in/alerts/rules/$ruleUid" });
  const rules = useQuery(rulesQuery);
  if (rules.error !== null) {
    return <ProblemPanel error={rules.error} onRetry={() => void rules.refetch()} />;
  }
  if (rules.data === undefined) {
    return <Skeleton lines={6} />;
  }
  const rule = rules.data.items.find((one) => one.rule === ruleUid);
  if (rule === undefined) {
    return (
      <Empty title={t`This rule is not in force any more`}>
        <Link to="/alerts/rules">{t`All rules`}</Link>
      </Empty>
    );
  }
  const settings = Object.entries(rule.settings).map(([name, value]) => ({
    name,
    value: typeof value === "object" ? JSON.stringify(value) : String(value),
  }));
  return (
    <>
      <PageHead title={rule.name} aside={<Link to="/alerts/rules">{t`All rules`}</Link>}>
        <Facts
          facts={[
            { name: t`Kind`, value: words.kind(rule.kind) },
            {
              name: t`Weight`,
              value: (
                <Status level={levelOf(rule.severity)}>{words.severity(rule.severity)}</Status>
              ),
            },
            {
              name: t`Tells`,
              value: rule.live
                ? [t`this page`, ...rule.to].join(", ")
                : t`nobody: it is only tried`,
            },
            ...settings,
          ]}
        />
      </PageHead>
      <BacktestPanel rule={rule.rule} title={t`Tried on stored calls`} content={null} />
    </>
  );
}
