import { useLingui } from "@lingui/react/macro";
import type { Level } from "@/design/Status";
import type { Verdict } from "./judge";

export const LEVELS: Record<Verdict, Level> = {
  whole: "ok",
  "not-over": "off",
  waiting: "warn",
  broken: "bad",
  nothing: "off",
};

export function useVerdictWords(): Record<Verdict, string> {
  const { t } = useLingui();
  return {
    whole: t`whole`,
    "not-over": t`day not over`,
    waiting: t`records wait`,
    broken: t`a sum does not hold`,
    nothing: t`no record`,
  };
}
