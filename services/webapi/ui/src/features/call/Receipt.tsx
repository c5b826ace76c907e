/** Why a call costs what it costs: each charge with its steps, in the order they were taken. */
import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import type { ExplainedCharge } from "@/api/types";
import { Amount } from "@/design/Figures";
import { Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { Steps } from "@/receipt/Steps";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { receiptQuery } from "./queries";
import css from "./receipt.module.css";

export function Receipt({ callId, zone }: { callId: string; zone: string }) {
  const { t } = useLingui();
  const receipt = useQuery(receiptQuery(callId));
  if (receipt.error !== null) {
    return <ProblemPanel error={receipt.error} onRetry={() => void receipt.refetch()} />;
  }
  if (receipt.data === undefined) {
    return <Skeleton lines={6} />;
  }
  if (receipt.data.charges.length === 0) {
    return (
      <Empty title={t`No charge yet`}>
        <p>{t`It is priced as soon as the call is joined; internal calls may stay without one.`}</p>
      </Empty>
    );
  }
  return (
    <div className={css.charges}>
      {receipt.data.charges.map((charge) => (
        <ChargeReceipt key={charge.charge_id} charge={charge} zone={receipt.data.zone ?? zone} />
      ))}
    </div>
  );
}

function ChargeReceipt({ charge, zone }: { charge: ExplainedCharge; zone: string }) {
  const { t } = useLingui();
  const title =
    charge.entry === "reversal"
      ? t`Price list ${charge.price_list}: correction`
      : t`Price list ${charge.price_list}`;
  return (
    <Panel title={title} aside={<Worth charge={charge} />}>
      {charge.payer === null ? null : (
        <p className={css.payer}>
          <Trans>
            Paid by <strong dir="ltr">{charge.payer}</strong>
          </Trans>
        </p>
      )}
      <Steps steps={charge.steps} zone={zone} currency={charge.money?.currency ?? null} />
    </Panel>
  );
}

function Worth({ charge }: { charge: ExplainedCharge }) {
  const { t } = useLingui();
  if (charge.money === null || charge.status === "unrated") {
    return <Status level="warn">{t`not priced`}</Status>;
  }
  return (
    <strong>
      <Amount money={charge.money} places="charge" />
    </strong>
  );
}
