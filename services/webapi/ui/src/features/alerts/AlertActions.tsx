import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { Alert } from "@/api/types";
import { Button } from "@/design/controls";
import { Menu } from "@/design/overlays";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import css from "./alerts.module.css";
import { handle, type Turn } from "./queries";

const HOUR_MS = 3_600_000;

/** Take it in hand, put it off until a moment, close it. A snooze always has an end. */
export function AlertActions({ alert }: { alert: Alert }) {
  const { t } = useLingui();
  const may = useMay();
  const queries = useQueryClient();
  const turning = useMutation({
    mutationFn: (turn: Turn) => handle(alert.alert_id, turn),
    onSettled: () => queries.invalidateQueries({ queryKey: ["alerts"] }),
  });
  if (!may("alerts.handle") || alert.state === "closed") {
    return null;
  }
  const snooze = (hours: number) => () =>
    turning.mutate({ until: new Date(Date.now() + hours * HOUR_MS).toISOString() });
  return (
    <div className={css.actions} data-print="no">
      {alert.state === "acknowledged" ? null : (
        <Button busy={turning.isPending} onPress={() => turning.mutate("ack")}>
          {t`I look after it`}
        </Button>
      )}
      <Menu
        className={css.menu}
        label={t`Put off`}
        face={t`Put off…`}
        groups={[
          {
            entries: [
              { label: t`for an hour`, onPress: snooze(1) },
              { label: t`for a day`, onPress: snooze(24) },
              { label: t`for a week`, onPress: snooze(24 * 7) },
            ],
          },
        ]}
      />
      <Button look="quiet" onPress={() => turning.mutate("close")} disabled={turning.isPending}>
        {t`Close`}
      </Button>
      {turning.error === null ? null : <ProblemPanel error={turning.error} />}
    </div>
  );
}
