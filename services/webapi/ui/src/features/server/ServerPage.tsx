import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Process } from "@/api/types";
import { Button } from "@/design/controls";
import { Dialog } from "@/design/Dialog";
import { Instant, Unknown } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { useFormats } from "@/design/formats";
import { type Fact, Facts, PageHead, Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { AsOf } from "@/shell/AsOf";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import { DrainForm } from "./DrainForm";
import { LogLevelForm } from "./LogLevelForm";
import { serverQuery } from "./queries";
import css from "./server.module.css";
import { ProcessState, useRoleNames } from "./words";

const MIB = 1_048_576;

interface Order {
  readonly kind: "log level" | "drain";
  readonly process: Process;
}

/** Every process of the installation: how it is, what waits for it, its log, its end. */
export function ServerPage() {
  const { t } = useLingui();
  const roles = useRoleNames();
  const server = useQuery(serverQuery);
  const [order, give] = useState<Order | null>(null);
  const close = () => give(null);
  return (
    <>
      <PageHead title={t`Server`} aside={<AsOf query={server} />}>
        {server.data === undefined ? null : <Whole items={server.data.items} />}
      </PageHead>
      {server.error === null ? null : (
        <ProblemPanel error={server.error} onRetry={() => void server.refetch()} />
      )}
      {server.isPending ? <Skeleton lines={4} height="3rem" /> : null}
      {server.data === undefined ? null : (
        <div className={css.stack}>
          {server.data.items.map((process) => (
            <ProcessPanel
              key={`${process.role} ${process.instance}`}
              process={process}
              onOrder={give}
            />
          ))}
        </div>
      )}
      <Dialog
        open={order !== null}
        onClose={close}
        title={order?.kind === "drain" ? t`Let it end` : t`Log level`}
      >
        {order === null ? null : (
          <div className={css.form}>
            <p className={css.of}>
              {roles(order.process.role)} · {order.process.instance}
            </p>
            {order.kind === "drain" ? (
              <DrainForm
                process={order.process}
                others={
                  server.data?.items.filter((one) => one.instance !== order.process.instance) ?? []
                }
                onDone={close}
              />
            ) : (
              <LogLevelForm process={order.process} onDone={close} />
            )}
          </div>
        )}
      </Dialog>
    </>
  );
}

function Whole({ items }: { items: readonly Process[] }) {
  const { t } = useLingui();
  const unwell = items.filter((process) => process.state !== "ready").length;
  const all = items.length;
  return (
    <p>
      {unwell === 0 ? (
        <Status level="ok">
          <Plural value={all} one="Its one process is ready" other="All # processes are ready" />
        </Status>
      ) : (
        <Status level="warn">{t`${unwell} of ${all} processes are not ready`}</Status>
      )}
    </p>
  );
}

function ProcessPanel({ process, onOrder }: { process: Process; onOrder: (order: Order) => void }) {
  const { t } = useLingui();
  const roles = useRoleNames();
  const may = useMay()("server.steer");
  const away = process.state === "away";
  return (
    <Panel title={roles(process.role)} aside={<ProcessState process={process} />}>
      <div className={css.stack}>
        <Conditions process={process} />
        {away ? <p className={css.of}>{process.instance}</p> : <ProcessFacts process={process} />}
        {away ? null : (
          <div className={css.buttons}>
            <Button
              disabled={!may}
              onPress={() => onOrder({ kind: "log level", process })}
            >{t`Log level…`}</Button>
            <Button
              look="danger"
              disabled={!may}
              onPress={() => onOrder({ kind: "drain", process })}
            >{t`Let it end…`}</Button>
            {may ? null : <span className={css.of}>{t`An owner steers processes.`}</span>}
          </div>
        )}
      </div>
    </Panel>
  );
}

function Conditions({ process }: { process: Process }) {
  const wrong = process.conditions.filter((condition) => !condition.good);
  return wrong.length === 0 ? null : (
    <ul className={css.conditions}>
      {wrong.map((condition) => (
        <li key={condition.name}>
          <Status level="warn">
            {condition.name}: {condition.message}
          </Status>
        </li>
      ))}
    </ul>
  );
}

function ProcessFacts({ process }: { process: Process }) {
  const { t } = useLingui();
  const { count, percent } = useFormats();
  const instant = (at: string | null, style: "moment" | "full" = "moment") =>
    at === null ? <Unknown /> : <Instant at={at} zone={zoneOf("me", null)} style={style} />;
  const mib = process.memory_bytes === null ? null : count(process.memory_bytes / MIB);
  const facts: Fact[] = [
    { name: t`Copy`, value: <span className={css.name}>{process.instance}</span> },
    { name: t`Version`, value: process.version },
    { name: t`Runs since`, value: instant(process.started_at) },
    {
      name: t`Load, of one processor`,
      value: process.load_ratio === null ? <Unknown /> : percent(process.load_ratio),
    },
    { name: t`Memory`, value: mib === null ? <Unknown /> : `${mib} MiB` },
    { name: t`Waits to be worked on`, value: <Lag process={process} /> },
    {
      name: t`Oldest that waits`,
      value: process.lag?.oldest_at == null ? t`none` : instant(process.lag.oldest_at),
    },
    { name: t`Log level`, value: <Level process={process} /> },
  ];
  return (
    <>
      <Facts facts={facts} />
      {process.last_error === null ? null : (
        <div className={css.error}>
          <p className={css.of}>
            <Trans>Last error, {instant(process.last_error.at)}</Trans>
          </p>
          <p>{process.last_error.text}</p>
        </div>
      )}
    </>
  );
}

function Lag({ process: { lag } }: { process: Process }) {
  const { t } = useLingui();
  const { count, duration } = useFormats();
  if (lag === null) {
    return t`reads no log`;
  }
  if (lag.count === null) {
    return <Unknown />;
  }
  const waiting = count(lag.count);
  const what = lag.unit === "records" ? t`${waiting} records` : t`${waiting} messages`;
  return lag.count === 0 || lag.behind_ms === null ? what : `${what} · ${duration(lag.behind_ms)}`;
}

function Level({ process }: { process: Process }) {
  const { t } = useLingui();
  const { instant } = useFormats();
  if (process.log_level === null) {
    return <Unknown />;
  }
  if (process.log_level_until === null) {
    return process.log_level;
  }
  const until = instant(process.log_level_until, zoneOf("me", null), "hour");
  return t`${process.log_level} until ${until}`;
}
