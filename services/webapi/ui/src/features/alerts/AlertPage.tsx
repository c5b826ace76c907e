import { Plural, useLingui } from "@lingui/react/macro";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { AlertDelivery, AlertDetail, Call } from "@/api/types";
import { DataTable } from "@/design/DataTable";
import { Amount, Duration, Instant, PhoneNumber, Unknown } from "@/design/Figures";
import { Facts, PageHead, Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ScopeLink } from "@/scope/ScopeLink";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useNews } from "@/shell/useNews";
import { AlertActions } from "./AlertActions";
import { AlertState } from "./AlertCard";
import css from "./alerts.module.css";
import { alertQuery } from "./queries";
import { AlertTimes, Found, levelOf, useAlertWords } from "./words";

export function AlertPage() {
  const { t } = useLingui();
  const queries = useQueryClient();
  const { alertId } = useParams({ from: "/in/alerts/$alertId" });
  useNews(() => void queries.invalidateQueries({ queryKey: ["alerts"] }), "alerts");
  const found = useQuery(alertQuery(alertId));
  if (found.error !== null) {
    return <ProblemPanel error={found.error} onRetry={() => void found.refetch()} />;
  }
  if (found.data === undefined) {
    return <Skeleton lines={8} />;
  }
  const { alert, scope, calls, deliveries } = found.data;
  return (
    <>
      <PageHead title={alert.name} aside={<Link to="/alerts">{t`All alerts`}</Link>}>
        <AlertFacts detail={found.data} />
        <AlertState alert={alert} />
        <AlertActions alert={alert} />
      </PageHead>
      <div className={css.stack}>
        {calls.length === 0 ? null : (
          <Panel
            title={t`The calls that did it`}
            aside={
              <ScopeLink scope={scope}>
                <Plural value={alert.calls} one="Open the call" other="Open the # calls" />
              </ScopeLink>
            }
            flush
          >
            <EvidenceTable calls={calls} />
          </Panel>
        )}
        {alert.kind === "silent_pbx" ? (
          <p>
            <Link to="/completeness">{t`Which days are complete`}</Link>
          </p>
        ) : null}
        {deliveries.length === 0 ? null : (
          <Panel title={t`Told`} flush>
            <Deliveries deliveries={deliveries} />
          </Panel>
        )}
      </div>
    </>
  );
}

function AlertFacts({ detail: { alert, scope } }: { detail: AlertDetail }) {
  const { t } = useLingui();
  const words = useAlertWords();
  return (
    <Facts
      facts={[
        {
          name: t`Weight`,
          value: <Status level={levelOf(alert.severity)}>{words.severity(alert.severity)}</Status>,
        },
        { name: t`About`, value: words.object(alert) },
        { name: t`Site`, value: alert.site?.name ?? alert.site?.uid ?? <Unknown /> },
        {
          name: words.kind(alert.kind),
          value: (
            <>
              <ScopeLink scope={scope}>
                <AlertTimes alert={alert} />
              </ScopeLink>{" "}
              <Found alert={alert} />
            </>
          ),
        },
        {
          name: t`Rule`,
          value: (
            <Link to="/alerts/rules/$ruleUid" params={{ ruleUid: alert.rule }}>
              {alert.rule}
            </Link>
          ),
        },
      ]}
    />
  );
}

function EvidenceTable({ calls }: { calls: readonly Call[] }) {
  const { t } = useLingui();
  return (
    <DataTable
      label={t`The calls that did it`}
      rows={calls}
      keyOf={(call) => call.call_id}
      columns={[
        {
          key: "time",
          head: t`Time (site)`,
          cell: (call) => (
            <Link to="/calls/$callId" params={{ callId: call.call_id }}>
              {call.started_at === null ? (
                call.call_id
              ) : (
                <Instant at={call.started_at} zone={call.zone ?? "UTC"} />
              )}
            </Link>
          ),
        },
        { key: "from", head: t`From`, cell: (call) => <PhoneNumber party={call.calling} /> },
        { key: "to", head: t`To`, cell: (call) => <PhoneNumber party={call.called} /> },
        {
          key: "talk",
          head: t`Talk`,
          end: true,
          cell: (call) => (call.talk_ms === null ? <Unknown /> : <Duration ms={call.talk_ms} />),
        },
        {
          key: "cost",
          head: t`Cost`,
          end: true,
          cell: (call) =>
            call.prices.map((price) =>
              price.money === null ? (
                <Unknown key={price.price_list} />
              ) : (
                <div key={price.price_list}>
                  <span className={css.muted}>{price.price_list}</span>{" "}
                  <Amount money={price.money} places="charge" />
                </div>
              ),
            ),
        },
      ]}
    />
  );
}

function Deliveries({ deliveries }: { deliveries: readonly AlertDelivery[] }) {
  const { t } = useLingui();
  return (
    <DataTable
      label={t`Told`}
      rows={deliveries}
      keyOf={(delivery) => `${delivery.channel} ${delivery.opening}`}
      columns={[
        { key: "channel", head: t`Channel`, cell: (delivery) => delivery.channel },
        {
          key: "state",
          head: t`State`,
          cell: (delivery) =>
            delivery.state === "sent" ? (
              <Status level="ok">{t`sent`}</Status>
            ) : delivery.state === "failed" ? (
              <Status level="bad">{t`given up`}</Status>
            ) : (
              <Status level="warn">{t`is tried`}</Status>
            ),
        },
        {
          key: "changed",
          head: t`Last attempt, UTC`,
          cell: (delivery) =>
            delivery.changed_at === null ? (
              <Unknown />
            ) : (
              <Instant at={delivery.changed_at} zone="UTC" />
            ),
        },
        { key: "error", head: t`Why not`, cell: (delivery) => delivery.error ?? "" },
      ]}
    />
  );
}
