import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Tariff } from "@/api/types";
import { DataTable } from "@/design/DataTable";
import { Instant } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { ImportIcon } from "@/design/icons";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import { tariffsQuery } from "./queries";
import { TariffState } from "./TariffState";
import css from "./tariffs.module.css";

export function TariffsPage() {
  const { t } = useLingui();
  const may = useMay();
  const tariffs = useQuery(tariffsQuery);
  return (
    <>
      <PageHead
        title={t`Price lists`}
        aside={
          may("tariffs.change") ? (
            <Link to="/tariffs/import" className={css.import}>
              <ImportIcon size={16} stroke={1.75} aria-hidden="true" />
              {t`Import`}
            </Link>
          ) : undefined
        }
      />
      {tariffs.error === null ? null : (
        <ProblemPanel error={tariffs.error} onRetry={() => void tariffs.refetch()} />
      )}
      {tariffs.isPending ? <Skeleton lines={5} height="1.5rem" /> : null}
      {tariffs.data === undefined ? null : tariffs.data.items.length === 0 ? (
        <Empty title={t`No price list yet`}>
          <p>{t`Until one is in force, no call has a price.`}</p>
        </Empty>
      ) : (
        <Versions tariffs={tariffs.data.items} />
      )}
    </>
  );
}

function Versions({ tariffs }: { tariffs: readonly Tariff[] }) {
  const { t } = useLingui();
  const { count } = useFormats();
  return (
    <Panel title={t`Versions, the newest first`} flush>
      <DataTable
        label={t`Price lists`}
        rows={tariffs}
        keyOf={(tariff) => `${tariff.uid} ${tariff.version}`}
        columns={[
          {
            key: "name",
            head: t`Name`,
            cell: (tariff) => (
              <Link
                to="/tariffs/$uid/v/$number"
                params={{ uid: tariff.uid, number: String(tariff.version) }}
              >
                {tariff.name || tariff.uid}
              </Link>
            ),
          },
          { key: "version", head: t`Version`, end: true, cell: (tariff) => tariff.version },
          { key: "list", head: t`Price list`, cell: (tariff) => tariff.price_list },
          { key: "state", head: t`State`, cell: (tariff) => <TariffState tariff={tariff} /> },
          {
            key: "from",
            head: t`In force from`,
            cell: (tariff) =>
              tariff.effective_from === null ? null : (
                <Instant at={tariff.effective_from} zone={tariff.zone ?? "UTC"} style="day" />
              ),
          },
          {
            key: "until",
            head: t`Until`,
            cell: (tariff) =>
              tariff.effective_until === null ? (
                t`another replaces it`
              ) : (
                <Instant at={tariff.effective_until} zone={tariff.zone ?? "UTC"} style="day" />
              ),
          },
          { key: "rates", head: t`Rates`, end: true, cell: (tariff) => count(tariff.rates) },
          { key: "by", head: t`Stored by`, cell: (tariff) => tariff.created_by },
          { key: "active", head: t`Activated by`, cell: (tariff) => tariff.activated_by },
        ]}
      />
    </Panel>
  );
}
