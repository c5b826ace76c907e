import { Plural, Trans } from "@lingui/react/macro";
import type { Aggregate } from "@/api/types";
import { Amount } from "@/design/Figures";
import { useFormats } from "@/design/formats";
import { parseScope, printScope, withTerm } from "@/scope/grammar";
import { ScopeLink } from "@/scope/ScopeLink";
import { ProblemPanel } from "@/shell/ProblemPanel";
import css from "./calls.module.css";

const MINUTE_MS = 60_000;

/** Count and sums of everything that the list would show, one line; currencies are never added. */
export function Totals({
  answer,
  error,
  dimmed,
}: {
  answer: Aggregate | null;
  error: Error | null;
  dimmed: boolean;
}) {
  const { count } = useFormats();
  if (error !== null) {
    return <ProblemPanel error={error} />;
  }
  if (answer === null) {
    return <p className={css.totals}> </p>;
  }
  const minutes = Math.round(answer.talk_ms / MINUTE_MS);
  return (
    <p className={css.totals} data-dimmed={dimmed} aria-live="polite">
      <strong>
        <Plural value={answer.calls} one="# call" other="# calls" />
      </strong>
      <span>
        <Trans>{count(answer.answered)} answered</Trans>
      </span>
      <span>
        <Trans>{count(minutes)} min</Trans>
      </span>
      {answer.money.map((price) =>
        price.money === null ? null : (
          <span key={`${price.price_list} ${price.money.currency}`}>
            <Amount money={price.money} /> <span className={css.aside}>{price.price_list}</span>
          </span>
        ),
      )}
      {answer.unpriced > 0 ? (
        <ScopeLink scope={unpricedOf(answer.scope)} className={css.unpriced}>
          <Trans>{count(answer.unpriced)} not priced</Trans>
        </ScopeLink>
      ) : null}
    </p>
  );
}

function unpricedOf(scope: string): string {
  return printScope(withTerm(parseScope(scope), "unpriced", "=", ["true"]));
}
