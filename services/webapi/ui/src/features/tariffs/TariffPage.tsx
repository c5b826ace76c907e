import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import type { Tariff } from "@/api/types";
import { Button } from "@/design/controls";
import { Instant, Unknown } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { Facts, PageHead } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { Findings } from "./Findings";
import { PreviewPanel } from "./PreviewPanel";
import { activate, storedCheckQuery, tariffQuery } from "./queries";
import { TariffState } from "./TariffState";
import css from "./tariffs.module.css";

export function TariffPage() {
  const { uid, number } = useParams({ from: "/in/tariffs/$uid/v/$number" });
  const tariff = useQuery(tariffQuery(uid, Number(number)));
  const check = useQuery(storedCheckQuery(uid, Number(number)));
  if (tariff.error !== null) {
    return <ProblemPanel error={tariff.error} onRetry={() => void tariff.refetch()} />;
  }
  if (tariff.data === undefined) {
    return <Skeleton lines={8} />;
  }
  return (
    <>
      <PageHead
        title={`${tariff.data.name || uid}, ${number}`}
        aside={<Activation tariff={tariff.data} />}
      >
        <TariffFacts tariff={tariff.data} />
      </PageHead>
      <div className={css.stack}>
        {check.error === null ? null : <ProblemPanel error={check.error} />}
        {check.data === undefined || tariff.data.state === "active" ? null : (
          <Findings check={check.data} />
        )}
        <PreviewPanel tariff={tariff.data} />
      </div>
    </>
  );
}

function TariffFacts({ tariff }: { tariff: Tariff }) {
  const { t } = useLingui();
  const { count } = useFormats();
  const when = (at: string | null) =>
    at === null ? <Unknown /> : <Instant at={at} zone={tariff.zone ?? "UTC"} style="full" />;
  return (
    <Facts
      facts={[
        { name: t`State`, value: <TariffState tariff={tariff} /> },
        { name: t`Price list`, value: `${tariff.price_list}, ${tariff.currency}` },
        { name: t`In force from`, value: when(tariff.effective_from) },
        { name: t`Rates`, value: count(tariff.rates) },
        { name: t`Stored by`, value: tariff.created_by },
        { name: t`Activated by`, value: tariff.activated_by ?? <Unknown /> },
      ]}
    />
  );
}

/** The one press that changes prices; says why where it is not for this reader. */
function Activation({ tariff }: { tariff: Tariff }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const activating = useMutation({
    mutationFn: () => activate(tariff.uid, tariff.version),
    onSettled: () => queries.invalidateQueries({ queryKey: ["tariffs"] }),
  });
  if (tariff.why_not === "active") {
    return null;
  }
  return (
    <div className={css.activation}>
      {activating.error === null ? null : <ProblemPanel error={activating.error} />}
      {tariff.why_not === "four_eyes" ? (
        <span className={css.why}>
          <Trans>You stored it, so somebody else activates it.</Trans>
        </span>
      ) : tariff.why_not === "not_permitted" ? (
        <span className={css.why}>
          <Trans>Your role does not activate price lists.</Trans>
        </span>
      ) : null}
      <Button
        look="main"
        disabled={!tariff.may_activate}
        busy={activating.isPending}
        onPress={() => activating.mutate()}
      >
        {t`Activate`}
      </Button>
    </div>
  );
}
