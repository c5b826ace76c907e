import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import type { SuspenseRecord } from "@/api/types";
import { Instant, Unknown } from "@/design/Figures";
import { Facts, PageHead, Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { RawRecord } from "@/raw/RawRecord";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import { useReasons } from "@/shell/reasons";
import { recordQuery } from "./queries";
import { RepairForm } from "./RepairForm";
import css from "./suspense.module.css";

export function RecordPage() {
  const { t } = useLingui();
  const may = useMay();
  const reasons = useReasons();
  const { suspenseId } = useParams({ from: "/in/suspense/$suspenseId" });
  const found = useQuery(recordQuery(Number(suspenseId)));
  if (found.error !== null) {
    return <ProblemPanel error={found.error} onRetry={() => void found.refetch()} />;
  }
  if (found.data === undefined) {
    return <Skeleton lines={8} />;
  }
  const { record, fields, note } = found.data;
  return (
    <>
      <PageHead title={reasons(record.reason)} aside={<Link to="/suspense">{t`All records`}</Link>}>
        <RecordFacts record={record} />
      </PageHead>
      <div className={css.stack}>
        <Panel title={t`What the PBX printed`}>
          <RawRecord bytes={record.raw} context={null} fields={fields} note={note} />
        </Panel>
        {may("suspense.repair") && record.state === "waiting" ? (
          <Panel title={t`Mend it`}>
            <RepairForm record={record} />
          </Panel>
        ) : null}
      </div>
    </>
  );
}

function RecordFacts({ record }: { record: SuspenseRecord }) {
  const { t } = useLingui();
  return (
    <Facts
      facts={[
        { name: t`State`, value: <RecordState state={record.state} /> },
        { name: t`Detail`, value: record.detail ?? <Unknown /> },
        { name: t`Site`, value: record.site?.name ?? record.site?.uid ?? <Unknown /> },
        { name: t`Link`, value: record.link_uid ?? <Unknown /> },
        { name: t`Format`, value: record.dialect_id ?? <Unknown /> },
        {
          name: t`Received, UTC`,
          value:
            record.received_at === null ? (
              <Unknown />
            ) : (
              <Instant at={record.received_at} zone="UTC" style="full" />
            ),
        },
      ]}
    />
  );
}

function RecordState({ state }: { state: string }) {
  const { t } = useLingui();
  switch (state) {
    case "waiting":
      return <Status level="warn">{t`waits`}</Status>;
    case "repaired":
      return <Status level="ok">{t`mended`}</Status>;
    case "applied":
      return <Status level="ok">{t`in a call`}</Status>;
    case "dismissed":
      return <Status level="off">{t`dismissed`}</Status>;
    default:
      return <Status level="off">{state}</Status>;
  }
}
