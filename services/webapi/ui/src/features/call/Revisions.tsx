/** The versions of a call, why its legs are one call, and the whole ledger. */
import { useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { CallDetail, Charge } from "@/api/types";
import { DataTable } from "@/design/DataTable";
import { Amount, Duration, Instant, Unknown } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { Panel } from "@/design/Page";
import { useWords } from "@/scope/words";
import css from "./call.module.css";

export function Revisions({ detail, zone }: { detail: CallDetail; zone: string }) {
  const { t } = useLingui();
  const words = useWords();
  return (
    <div className={css.panels}>
      <Panel title={t`Versions`} flush>
        <DataTable
          label={t`Versions`}
          rows={detail.versions}
          keyOf={(version) => String(version.version)}
          columns={[
            { key: "version", head: t`Version`, cell: (version) => version.version },
            {
              key: "state",
              head: t`State`,
              cell: (version) =>
                version.superseded_by === null ? (
                  words(version.state)
                ) : (
                  <Link to="/calls/$callId" params={{ callId: version.superseded_by }}>
                    {t`part of another call`}
                  </Link>
                ),
            },
            {
              key: "ended",
              head: t`Ended`,
              cell: (version) =>
                version.ended_at === null ? (
                  <Unknown />
                ) : (
                  <Instant at={version.ended_at} zone={zone} />
                ),
            },
            { key: "legs", head: t`Legs`, end: true, cell: (version) => version.legs },
            {
              key: "price",
              head: t`Price`,
              end: true,
              cell: (version) =>
                version.prices.map((price) =>
                  price.money === null ? null : (
                    <div key={price.price_list}>
                      <span className={css.aside}>{price.price_list}</span>{" "}
                      <Amount money={price.money} places="charge" />
                    </div>
                  ),
                ),
            },
          ]}
        />
      </Panel>
      {detail.joins.length === 0 ? null : <Joins detail={detail} />}
      <Panel title={t`Ledger`} flush>
        <Ledger charges={detail.charges} zone={zone} />
      </Panel>
    </div>
  );
}

function Joins({ detail }: { detail: CallDetail }) {
  const { t } = useLingui();
  const { percent } = useFormats();
  return (
    <Panel title={t`Why these legs are one call`} flush>
      <DataTable
        label={t`Why these legs are one call`}
        rows={detail.joins}
        keyOf={(join) => `${join.leg} ${join.other} ${join.reason}`}
        columns={[
          { key: "legs", head: t`Legs`, cell: (join) => t`${join.leg + 1} and ${join.other + 1}` },
          { key: "reason", head: t`Reason`, cell: (join) => join.reason.replaceAll("_", " ") },
          {
            key: "confidence",
            head: t`Confidence`,
            end: true,
            cell: (join) => percent(join.confidence),
          },
        ]}
      />
    </Panel>
  );
}

function Ledger({ charges, zone }: { charges: readonly Charge[]; zone: string }) {
  const { t } = useLingui();
  return (
    <DataTable
      label={t`Ledger`}
      rows={charges}
      keyOf={(charge) => charge.charge_id}
      columns={[
        {
          key: "rated",
          head: t`Priced`,
          cell: (charge) =>
            charge.rated_at === null ? <Unknown /> : <Instant at={charge.rated_at} zone={zone} />,
        },
        {
          key: "list",
          head: t`Price list`,
          cell: (charge) => (
            <>
              {charge.price_list}
              {charge.tariff === null ? null : (
                <span className={css.aside}>
                  {" "}
                  {`${charge.tariff.uid} ${charge.tariff.version}`}
                </span>
              )}
            </>
          ),
        },
        {
          key: "entry",
          head: t`Entry`,
          cell: (charge) => (
            <>
              {charge.entry === "reversal" ? t`correction` : t`charge`}
              {charge.reason === null ? null : (
                <span className={css.aside}> {charge.reason.replaceAll("_", " ")}</span>
              )}
            </>
          ),
        },
        { key: "payer", head: t`Payer`, cell: (charge) => <bdi dir="ltr">{charge.payer}</bdi> },
        {
          key: "billed",
          head: t`Time billed`,
          end: true,
          cell: (charge) =>
            charge.rated_quantity_ms === null ? (
              <Unknown />
            ) : (
              <Duration ms={charge.rated_quantity_ms} />
            ),
        },
        {
          key: "amount",
          head: t`Amount`,
          end: true,
          cell: (charge) =>
            charge.money === null || charge.status === "unrated" ? (
              t`not priced`
            ) : (
              <Amount money={charge.money} places="charge" />
            ),
        },
      ]}
    />
  );
}
