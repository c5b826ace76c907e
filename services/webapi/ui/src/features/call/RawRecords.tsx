/** What the PBX printed for each leg of a call. */
import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { RawRecord } from "@/raw/RawRecord";
import { ProblemPanel } from "@/shell/ProblemPanel";
import css from "./call.module.css";
import { rawQuery } from "./queries";

export function RawRecords({ callId }: { callId: string }) {
  const { t } = useLingui();
  const raw = useQuery(rawQuery(callId));
  if (raw.error !== null) {
    return <ProblemPanel error={raw.error} onRetry={() => void raw.refetch()} />;
  }
  if (raw.data === undefined) {
    return <Skeleton lines={6} />;
  }
  return (
    <div className={css.panels}>
      {raw.data.legs.map((leg, index) => (
        <Panel
          key={leg.cdr_id}
          title={t`Leg ${index + 1}: ${leg.pbx.name ?? leg.pbx.uid}`}
          aside={<span className={css.aside}>{`${leg.dialect_id} ${leg.dialect_version}`}</span>}
        >
          <RawRecord bytes={leg.bytes} context={leg.context} fields={leg.fields} note={leg.note} />
        </Panel>
      ))}
    </div>
  );
}
