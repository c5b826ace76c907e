import { Trans, useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { Alert } from "@/api/types";
import { Instant } from "@/design/Figures";
import { Status } from "@/design/Status";
import { AlertActions } from "./AlertActions";
import css from "./alerts.module.css";
import { AlertTimes, Found, levelOf, useAlertWords } from "./words";

/** One alert of the inbox: what, who, where, when, and what can be done. */
export function AlertCard({ alert }: { alert: Alert }) {
  const words = useAlertWords();
  return (
    <li className={css.card} data-level={levelOf(alert.severity)}>
      <div className={css.what}>
        <Status level={levelOf(alert.severity)}>{words.severity(alert.severity)}</Status>
        <h3>
          <Link to="/alerts/$alertId" params={{ alertId: alert.alert_id }}>
            {alert.name}
          </Link>
        </h3>
        <p>
          {words.object(alert)}
          {alert.site === null ? null : ` · ${alert.site.name ?? alert.site.uid}`}
        </p>
        <p className={css.muted}>
          {words.kind(alert.kind)}
          {" · "}
          <AlertTimes alert={alert} />
        </p>
        <p className={css.muted}>
          <Found alert={alert} />
        </p>
        <AlertState alert={alert} />
      </div>
      <AlertActions alert={alert} />
    </li>
  );
}

/** Who has it in hand, or until when it is put off. */
export function AlertState({ alert }: { alert: Alert }) {
  const { t } = useLingui();
  const who = alert.changed_by ?? "";
  if (alert.state === "acknowledged") {
    return <p className={css.muted}>{t`${who} looks after it`}</p>;
  }
  if (alert.state === "snoozed" && alert.until !== null) {
    return (
      <p className={css.muted}>
        <Trans>
          put off until <Instant at={alert.until} zone={alert.zone ?? "UTC"} />
        </Trans>
      </p>
    );
  }
  if (alert.state === "closed") {
    return <p className={css.muted}>{who === "" ? t`closed by itself` : t`closed by ${who}`}</p>;
  }
  return null;
}
