import { useLingui } from "@lingui/react/macro";
import type { Kind } from "./queries";

export function useKinds(): Record<Kind, string> {
  const { t } = useLingui();
  return {
    department: t`Department`,
    site: t`Site`,
    person: t`Person`,
    extension: t`Extension`,
    cost_center: t`Cost centre`,
    account_code: t`Account code`,
    destination: t`Destination`,
    trunk: t`Trunk`,
    class: t`Kind of number`,
    direction: t`Direction`,
    disposition: t`Result`,
    day: t`Day`,
    month: t`Month`,
    hour: t`Hour of the day`,
  };
}
