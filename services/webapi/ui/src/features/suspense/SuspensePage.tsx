import { Plural, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { SuspenseGroup, SuspenseRecord } from "@/api/types";
import { DataTable } from "@/design/DataTable";
import { Instant, Unknown } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { bytesOf, visible } from "@/raw/raw-bytes";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useReasons } from "@/shell/reasons";
import { groupsQuery, waitingQuery } from "./queries";
import { SuspenseTabs } from "./SuspenseTabs";
import css from "./suspense.module.css";

export function SuspensePage() {
  const { t } = useLingui();
  const groups = useQuery(groupsQuery);
  const records = useQuery(waitingQuery);
  const error = groups.error ?? records.error;
  return (
    <>
      <PageHead title={t`Suspense`}>
        <SuspenseTabs />
        {groups.data === undefined || groups.data.count === 0 ? null : (
          <p className={css.count}>
            <Plural
              value={groups.data.count}
              one="# record waits to be mended"
              other="# records wait to be mended"
            />
          </p>
        )}
      </PageHead>
      {error === null ? null : <ProblemPanel error={error} onRetry={() => void groups.refetch()} />}
      {groups.isPending || records.isPending ? <Skeleton lines={6} height="1.5rem" /> : null}
      {groups.data === undefined || records.data === undefined ? null : groups.data.count === 0 ? (
        <Empty title={t`No record waits`}>
          <p>{t`Everything that was heard could be read.`}</p>
        </Empty>
      ) : (
        <div className={css.stack}>
          <Groups groups={groups.data.items} />
          <Records records={records.data.items} />
        </div>
      )}
    </>
  );
}

function Groups({ groups }: { groups: readonly SuspenseGroup[] }) {
  const { t } = useLingui();
  const { count } = useFormats();
  const reasons = useReasons();
  return (
    <Panel title={t`Why they wait`} flush>
      <DataTable
        label={t`Why they wait`}
        rows={groups}
        keyOf={(group) => `${group.reason} ${group.link_uid}`}
        columns={[
          { key: "count", head: t`Records`, end: true, cell: (group) => count(group.count) },
          { key: "reason", head: t`Reason`, cell: (group) => reasons(group.reason) },
          {
            key: "site",
            head: t`Site`,
            cell: (group) => group.site?.name ?? group.site?.uid ?? <Unknown />,
          },
          { key: "link", head: t`Link`, cell: (group) => group.link_uid ?? <Unknown /> },
          { key: "dialect", head: t`Format`, cell: (group) => group.dialect_id ?? <Unknown /> },
          {
            key: "oldest",
            head: t`Oldest`,
            cell: (group) =>
              group.oldest_at === null ? <Unknown /> : <Instant at={group.oldest_at} zone="UTC" />,
          },
        ]}
      />
    </Panel>
  );
}

function Records({ records }: { records: readonly SuspenseRecord[] }) {
  const { t } = useLingui();
  const reasons = useReasons();
  return (
    <Panel title={t`Records, the oldest first`} flush>
      <DataTable
        label={t`Records, the oldest first`}
        rows={records}
        keyOf={(record) => String(record.suspense_id)}
        columns={[
          {
            key: "received",
            head: t`Received, UTC`,
            cell: (record) => (
              <Link
                to="/suspense/$suspenseId"
                params={{ suspenseId: String(record.suspense_id) }}
                className={css.open}
              >
                {record.received_at === null ? (
                  record.suspense_id
                ) : (
                  <Instant at={record.received_at} zone="UTC" />
                )}
              </Link>
            ),
          },
          { key: "link", head: t`Link`, cell: (record) => record.link_uid ?? <Unknown /> },
          { key: "reason", head: t`Reason`, cell: (record) => reasons(record.reason) },
          {
            key: "raw",
            head: t`Record`,
            cell: (record) => (
              <code className={css.raw} dir="ltr">
                {visible(bytesOf(record.raw))}
              </code>
            ),
          },
        ]}
      />
    </Panel>
  );
}
