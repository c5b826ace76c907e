import { Plural, useLingui } from "@lingui/react/macro";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Alert } from "@/api/types";
import { Button } from "@/design/controls";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useNews } from "@/shell/useNews";
import { AlertCard } from "./AlertCard";
import css from "./alerts.module.css";
import { alertsQuery } from "./queries";

/** The inbox: what needs somebody first, then what is in hand, then what is over. */
export function AlertsPage() {
  const { t } = useLingui();
  const queries = useQueryClient();
  useNews(() => void queries.invalidateQueries({ queryKey: ["alerts"] }), "alerts");
  const open = useQuery(alertsQuery(["open"]));
  const held = useQuery(alertsQuery(["acknowledged", "snoozed"]));
  const [closedShown, showClosed] = useState(false);
  const closed = useQuery({ ...alertsQuery(["closed"]), enabled: closedShown });
  const error = open.error ?? held.error ?? closed.error;
  return (
    <>
      <PageHead title={t`Alerts`} aside={<Link to="/alerts/rules">{t`Rules`}</Link>}>
        {open.data === undefined ? null : (
          <p className={css.muted} role="status">
            <Plural
              value={open.data.open}
              _0="Nothing needs anybody"
              one="# alert needs somebody"
              other="# alerts need somebody"
            />
          </p>
        )}
      </PageHead>
      {error === null ? null : <ProblemPanel error={error} onRetry={() => void open.refetch()} />}
      {open.isPending || held.isPending ? <Skeleton lines={6} height="3rem" /> : null}
      {open.data === undefined || held.data === undefined ? null : (
        <div className={css.stack}>
          {open.data.items.length === 0 ? (
            <Empty title={t`No alert is open`}>
              <p>{t`What a rule finds appears here within two seconds.`}</p>
            </Empty>
          ) : (
            <Alerts title={t`Open`} alerts={open.data.items} />
          )}
          {held.data.items.length === 0 ? null : (
            <Alerts title={t`In hand or put off`} alerts={held.data.items} />
          )}
          {closedShown ? (
            closed.data === undefined ? (
              <Skeleton lines={3} height="3rem" />
            ) : closed.data.items.length === 0 ? (
              <p className={css.muted}>{t`No alert was closed yet.`}</p>
            ) : (
              <Alerts title={t`Closed`} alerts={closed.data.items} />
            )
          ) : (
            <p>
              <Button look="quiet" onPress={() => showClosed(true)}>{t`Show closed ones`}</Button>
            </p>
          )}
        </div>
      )}
    </>
  );
}

function Alerts({ title, alerts }: { title: string; alerts: readonly Alert[] }) {
  return (
    <Panel title={title} flush>
      <ul className={css.cards}>
        {alerts.map((alert) => (
          <AlertCard key={alert.alert_id} alert={alert} />
        ))}
      </ul>
    </Panel>
  );
}
