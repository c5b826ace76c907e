import { useLingui } from "@lingui/react/macro";
import type { Tariff } from "@/api/types";
import { Status } from "@/design/Status";

export function TariffState({ tariff }: { tariff: Tariff }) {
  const { t } = useLingui();
  switch (tariff.state) {
    case "active":
      return <Status level="ok">{t`in force`}</Status>;
    case "validated":
      return <Status level="warn">{t`waits for activation`}</Status>;
    case "retired":
      return <Status level="off">{t`retired`}</Status>;
    default:
      return <Status level="off">{tariff.state}</Status>;
  }
}
