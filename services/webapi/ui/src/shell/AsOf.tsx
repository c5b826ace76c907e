/** How old what is shown is, where asking again fails: the data stays, with its time. */
import { Trans } from "@lingui/react/macro";
import type { UseQueryResult } from "@tanstack/react-query";
import { Instant } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { Status } from "@/design/Status";

export function AsOf({ query }: { query: UseQueryResult<unknown> }) {
  const stale = query.dataUpdatedAt > 0 && (query.isError || query.failureCount > 0);
  if (!stale) {
    return null;
  }
  const at = new Date(query.dataUpdatedAt).toISOString();
  return (
    <Status level="warn">
      <Trans>
        as of <Instant at={at} zone={zoneOf("me", null)} style="clock" />, asking again
      </Trans>
    </Status>
  );
}
