import { useLingui } from "@lingui/react/macro";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Call } from "@/api/types";
import { Duration, Instant, Unknown } from "@/design/Figures";
import type { Column } from "@/grid/DataGrid";
import type { Room } from "@/shell/screen";
import css from "./calls.module.css";
import { DirectionIcon, From, Price, Result, To } from "./parts";

/** The columns of the list: one for the price of each list, fewer where there is less room. */
export function useColumns(lists: readonly string[], room: Room): readonly Column<Call>[] {
  const { t } = useLingui();
  return useMemo(() => {
    const site: Column<Call> = {
      key: "site",
      head: t`Site`,
      track: "minmax(7rem, 1fr)",
      cell: (call) => call.site?.name ?? call.site?.uid ?? <Unknown />,
    };
    return [
      {
        key: "time",
        head: t`Time at the site`,
        track: "8.25rem",
        cell: (call) => (
          <Link
            to="/calls/$callId"
            params={{ callId: call.call_id }}
            tabIndex={-1}
            className={css.time}
          >
            {call.started_at === null ? (
              t`not known`
            ) : (
              <Instant at={call.started_at} zone={call.zone ?? "UTC"} />
            )}
          </Link>
        ),
      },
      {
        key: "from",
        head: t`From`,
        track: "minmax(8rem, 1.2fr)",
        cell: (call) => <From call={call} />,
      },
      {
        key: "direction",
        head: <span className="heard-only">{t`Direction`}</span>,
        track: "1.25rem",
        cell: (call) => <DirectionIcon direction={call.direction} />,
      },
      { key: "to", head: t`To`, track: "minmax(8rem, 1.2fr)", cell: (call) => <To call={call} /> },
      {
        key: "talk",
        head: t`Talk`,
        track: "3.5rem",
        end: true,
        cell: (call) => (call.talk_ms === null ? <Unknown /> : <Duration ms={call.talk_ms} />),
      },
      ...lists.map((list) => ({
        key: `price ${list}`,
        head: lists.length === 1 ? t`Cost` : t`Cost, ${list}`,
        track: "minmax(6rem, 0.5fr)",
        end: true,
        cell: (call: Call) => <Price call={call} list={list} />,
      })),
      {
        key: "result",
        head: t`Result`,
        track: "minmax(5.5rem, 0.5fr)",
        cell: (call) => <Result call={call} />,
      },
      ...(room === "wide" ? [site] : []),
    ];
  }, [lists, room, t]);
}
