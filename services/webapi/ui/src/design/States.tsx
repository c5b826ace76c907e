/** Loading, empty and failed, each drawn where the content would stand. */
import { Trans, useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";
import { Button } from "./controls";
import { BadIcon, RetryIcon } from "./icons";
import css from "./States.module.css";

/** Bars in the shape of what comes; drawn after 100 ms, so that quick answers do not flicker. */
export function Skeleton({ lines = 3, height = "1rem" }: { lines?: number; height?: string }) {
  const { t } = useLingui();
  return (
    <div className={css.skeleton} role="status" aria-label={t`Loading`}>
      {Array.from({ length: lines }, (_, line) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: the bars are all alike and never move
          key={line}
          style={{ blockSize: height, inlineSize: `${100 - ((line * 17) % 40)}%` }}
        />
      ))}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className={css.empty}>
      <p className={css.emptyTitle}>{title}</p>
      {children}
    </div>
  );
}

/** What failed, what to do about it, and the trace to give to who can help. */
export function Failed({
  title,
  remedy,
  traceId,
  onRetry,
}: {
  title: string;
  remedy: string | null;
  traceId: string | null;
  onRetry?: () => void;
}) {
  return (
    <div className={css.failed} role="alert">
      <BadIcon size={20} aria-hidden="true" />
      <div>
        <p className={css.emptyTitle}>{title}</p>
        {remedy === null ? null : <p>{remedy}</p>}
        {traceId === null ? null : (
          <p className={css.trace}>
            <Trans>
              Trace <code>{traceId}</code>
            </Trans>
          </p>
        )}
        {onRetry === undefined ? null : (
          <div className={css.retry}>
            <Button icon={RetryIcon} onPress={onRetry}>
              <Trans>Try again</Trans>
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}
