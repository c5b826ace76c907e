/** The versions of a call, why its legs are one call, and the whole ledger. */
import { useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { CallDetail, Charge } from "@/api/types";
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
        <table className={css.table}>
          <thead>
            <tr>
              <th scope="col">{t`Version`}</th>
              <th scope="col">{t`State`}</th>
              <th scope="col">{t`Ended`}</th>
              <th scope="col" data-end="true">{t`Legs`}</th>
              <th scope="col" data-end="true">{t`Price`}</th>
            </tr>
          </thead>
          <tbody>
            {detail.versions.map((version) => (
              <tr key={version.version}>
                <td>{version.version}</td>
                <td>
                  {version.superseded_by === null ? (
                    words(version.state)
                  ) : (
                    <Link to="/calls/$callId" params={{ callId: version.superseded_by }}>
                      {t`part of another call`}
                    </Link>
                  )}
                </td>
                <td>
                  {version.ended_at === null ? (
                    <Unknown />
                  ) : (
                    <Instant at={version.ended_at} zone={zone} />
                  )}
                </td>
                <td data-end="true">{version.legs}</td>
                <td data-end="true">
                  {version.prices.map((price) =>
                    price.money === null ? null : (
                      <div key={price.price_list}>
                        <Amount money={price.money} places="charge" />
                      </div>
                    ),
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
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
      <table className={css.table}>
        <thead>
          <tr>
            <th scope="col">{t`Legs`}</th>
            <th scope="col">{t`Reason`}</th>
            <th scope="col" data-end="true">{t`Confidence`}</th>
          </tr>
        </thead>
        <tbody>
          {detail.joins.map((join) => (
            <tr key={`${join.leg} ${join.other} ${join.reason}`}>
              <td>{t`${join.leg + 1} and ${join.other + 1}`}</td>
              <td>{join.reason.replaceAll("_", " ")}</td>
              <td data-end="true">{percent(join.confidence)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

function Ledger({ charges, zone }: { charges: readonly Charge[]; zone: string }) {
  const { t } = useLingui();
  return (
    <table className={css.table}>
      <thead>
        <tr>
          <th scope="col">{t`Priced`}</th>
          <th scope="col">{t`Price list`}</th>
          <th scope="col">{t`Entry`}</th>
          <th scope="col">{t`Payer`}</th>
          <th scope="col" data-end="true">{t`Time billed`}</th>
          <th scope="col" data-end="true">{t`Amount`}</th>
        </tr>
      </thead>
      <tbody>
        {charges.map((charge) => (
          <tr key={charge.charge_id}>
            <td>
              {charge.rated_at === null ? (
                <Unknown />
              ) : (
                <Instant at={charge.rated_at} zone={zone} />
              )}
            </td>
            <td>
              {charge.price_list}
              {charge.tariff === null ? null : (
                <span className={css.aside}>
                  {" "}
                  {`${charge.tariff.uid} ${charge.tariff.version}`}
                </span>
              )}
            </td>
            <td>
              {charge.entry === "reversal" ? t`correction` : t`charge`}
              {charge.reason === null ? null : (
                <span className={css.aside}> {charge.reason.replaceAll("_", " ")}</span>
              )}
            </td>
            <td dir="ltr">{charge.payer}</td>
            <td data-end="true">
              {charge.rated_quantity_ms === null ? (
                <Unknown />
              ) : (
                <Duration ms={charge.rated_quantity_ms} />
              )}
            </td>
            <td data-end="true">
              {charge.money === null || charge.status === "unrated" ? (
                t`not priced`
              ) : (
                <Amount money={charge.money} places="charge" />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
