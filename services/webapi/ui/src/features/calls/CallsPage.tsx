import { useLingui } from "@lingui/react/macro";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { choicesQuery } from "@/api/session";
import type { Call } from "@/api/types";
import { PageHead } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { DataGrid } from "@/grid/DataGrid";
import { printScope } from "@/scope/grammar";
import { ScopeBar } from "@/scope/ScopeBar";
import { useScope } from "@/scope/use-scope";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import { useRoom } from "@/shell/screen";
import { useNews } from "@/shell/useNews";
import { CallCard } from "./CallCard";
import { CopyLink } from "./CopyLink";
import css from "./calls.module.css";
import { useColumns } from "./columns";
import { ExportMenu } from "./ExportMenu";
import { aggregateQuery, callsQuery } from "./queries";
import { Totals } from "./Totals";

const CARD_PX = 84;
const AT_TOP_PX = 120;

export function CallsPage() {
  const { t } = useLingui();
  const scope = useScope();
  const filter = printScope(scope);
  const navigate = useNavigate();
  const room = useRoom();
  const may = useMay();
  const queries = useQueryClient();
  const [news, setNews] = useState(false);
  const calls = useInfiniteQuery(callsQuery(filter));
  const totals = useQuery(aggregateQuery(filter));
  const lists = useQuery(choicesQuery).data?.price_lists.map((list) => list.name);
  const rows = useMemo(() => calls.data?.pages.flatMap((page) => page.items) ?? [], [calls.data]);
  const columns = useColumns(lists ?? NO_LISTS, room);
  const open = useCallback(
    (call: Call) => void navigate({ to: "/calls/$callId", params: { callId: call.call_id } }),
    [navigate],
  );
  const refresh = () => {
    setNews(false);
    void queries.invalidateQueries({ queryKey: ["calls"] });
  };
  useNews(() => (window.scrollY < AT_TOP_PX ? refresh() : setNews(true)));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = calls;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) {
      void fetchNextPage();
    }
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <>
      <PageHead
        title={t`Calls`}
        aside={
          rows.length === 0 ? undefined : (
            <>
              {window.isSecureContext ? (
                <CopyLink scope={calls.data?.pages[0]?.scope ?? filter} />
              ) : null}
              {may("calls.export") ? <ExportMenu filter={filter} /> : null}
            </>
          )
        }
      >
        <ScopeBar fallback={t`Any time`} />
        <Totals
          answer={totals.data ?? null}
          error={calls.error === null ? totals.error : null}
          dimmed={totals.isPlaceholderData}
        />
      </PageHead>
      {calls.error === null ? null : (
        <ProblemPanel error={calls.error} onRetry={() => void calls.refetch()} />
      )}
      {calls.isPending ? <Skeleton lines={12} height="1.25rem" /> : null}
      {calls.data !== undefined && rows.length === 0 ? (
        <NoCalls narrowed={scope.length > 0} />
      ) : null}
      {rows.length === 0 ? null : (
        <DataGrid
          label={t`Calls`}
          columns={columns}
          rows={rows}
          count={totals.isPlaceholderData ? null : (totals.data?.calls ?? null)}
          keyOf={callId}
          card={room === "phone" ? card : null}
          cardHeight={CARD_PX}
          onOpen={open}
          onNearEnd={more}
          dimmed={calls.isPlaceholderData}
        />
      )}
      {news ? (
        <button
          type="button"
          className={css.news}
          onClick={() => {
            window.scrollTo({ top: 0 });
            refresh();
          }}
        >
          {t`New calls: show`}
        </button>
      ) : null}
      {isFetchingNextPage ? <p className={css.more}>{t`More calls are on their way…`}</p> : null}
    </>
  );
}

const NO_LISTS: readonly string[] = [];

function callId(call: Call): string {
  return call.call_id;
}

function card(call: Call) {
  return <CallCard call={call} />;
}

function NoCalls({ narrowed }: { narrowed: boolean }) {
  const { t } = useLingui();
  return narrowed ? (
    <Empty title={t`No call matches`}>
      <p>{t`Take a condition away, or choose a longer period.`}</p>
    </Empty>
  ) : (
    <Empty title={t`No calls yet`}>
      <p>{t`They appear here as soon as a PBX is connected and prints its first record.`}</p>
    </Empty>
  );
}
