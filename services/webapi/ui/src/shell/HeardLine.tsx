import { Plural, Trans } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import type { CompletenessLine } from "@/api/types";
import { useFormats } from "@/design/formats";
import { ForwardIcon } from "@/design/icons";
import { Status } from "@/design/Status";
import css from "./HeardLine.module.css";

/**
 * The operator's answer without a click: is everything in? Days of the line are those of receipt,
 * days of `calls` those when people spoke: records that were imported came on other days.
 */
export function HeardLine({ line, calls }: { line: CompletenessLine; calls: number }) {
  const { count } = useFormats();
  const level =
    line.complete === null ? "off" : line.complete && line.suspended === 0 ? "ok" : "warn";
  return (
    <Link to="/completeness" className={css.heard} data-level={level}>
      <Status level={level}>
        {level === "off" ? (
          calls === 0 ? (
            <Trans>Nothing was received on these days</Trans>
          ) : (
            <Trans>The records of these calls came on other days, as an import brings them</Trans>
          )
        ) : level === "ok" ? (
          <Trans>Everything that was heard is in</Trans>
        ) : line.gaps > 0 ? (
          <Plural
            value={line.gaps}
            one="# gap in what was heard"
            other="# gaps in what was heard"
          />
        ) : (
          <Trans>Not everything is in yet</Trans>
        )}
      </Status>
      {level === "off" ? null : (
        <span className={css.heardFacts}>
          <Plural value={line.sites} one="# site" other="# sites" />
          {" · "}
          <Plural value={line.received} one="# record" other="# records" />
          {line.suspended === 0 ? null : (
            <>
              {" · "}
              <Trans>{count(line.suspended)} in suspense</Trans>
            </>
          )}
          {line.open === 0 ? null : (
            <>
              {" · "}
              <Trans>{count(line.open)} not yet joined</Trans>
            </>
          )}
        </span>
      )}
      <ForwardIcon size={18} aria-hidden="true" />
    </Link>
  );
}
