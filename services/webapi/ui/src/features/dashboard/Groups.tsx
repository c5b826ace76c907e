import { useLingui } from "@lingui/react/macro";
import type { Group } from "@/api/types";
import { BarList } from "@/charts/BarList";
import { toShare } from "@/charts/scale";
import { amountIn, sumsOf } from "@/charts/sums";
import { useFormats } from "@/design/formats";
import { Panel } from "@/design/Page";
import { useWords } from "@/scope/words";
import css from "./dashboard.module.css";

const SHOWN = 8;

/** Who made the calls and what they cost; bars show the count of calls. */
export function Groups({ title, groups }: { title: string; groups: readonly Group[] }) {
  const { t } = useLingui();
  const { count, amount } = useFormats();
  const words = useWords();
  const shown = groups.slice(0, SHOWN);
  const largest = String(Math.max(...shown.map((group) => group.calls), 1));
  const sums = sumsOf(shown);
  return (
    <Panel title={title} flush>
      {shown.length === 0 ? (
        <p className={css.none}>{t`nothing in this period`}</p>
      ) : (
        <BarList
          heads={[t`Calls`, ...sums.map((sum) => `${sum.list} ${sum.currency}`)]}
          rows={shown.map((group) => ({
            key: group.name?.uid ?? "",
            name: group.name === null ? t`not known` : (group.name.name ?? words(group.name.uid)),
            share: toShare(String(group.calls), largest),
            scope: group.scope,
            figures: [
              count(group.calls),
              ...sums.map((sum) => {
                const money = amountIn(group.money, sum);
                return money === null ? "–" : amount(money, "total");
              }),
            ],
          }))}
        />
      )}
    </Panel>
  );
}
