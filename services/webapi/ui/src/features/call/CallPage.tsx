import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import type { Call, CallDetail } from "@/api/types";
import { Amount, Duration, Instant, PhoneNumber, Unknown } from "@/design/Figures";
import { Facts, PageHead } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { useWords } from "@/scope/words";
import { useKeys } from "@/shell/keys";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import css from "./call.module.css";
import { Ladder } from "./Ladder";
import { callQuery } from "./queries";
import { RawRecords } from "./RawRecords";
import { Receipt } from "./Receipt";
import { Revisions } from "./Revisions";

const TABS = ["ladder", "receipt", "raw", "revisions"] as const;
const RAW = "raw.see";
type Tab = (typeof TABS)[number];

export function CallPage() {
  const { callId } = useParams({ from: "/in/calls/$callId" });
  const call = useQuery(callQuery(callId));
  if (call.error !== null) {
    return <ProblemPanel error={call.error} onRetry={() => void call.refetch()} />;
  }
  return call.data === undefined ? <Skeleton lines={8} /> : <Opened detail={call.data} />;
}

function Opened({ detail }: { detail: CallDetail }) {
  const { call } = detail;
  const zone = call.zone ?? "UTC";
  const tab = useTab();
  const parts: Record<Tab, () => ReactNode> = {
    ladder: () => <Ladder legs={detail.legs} zone={zone} />,
    receipt: () => <Receipt callId={call.call_id} zone={zone} />,
    raw: () => <RawRecords callId={call.call_id} />,
    revisions: () => <Revisions detail={detail} zone={zone} />,
  };
  return (
    <>
      <PageHead
        title={
          <>
            <Caller call={call} /> → <PhoneNumber party={call.called} />
          </>
        }
      >
        <CallFacts call={call} zone={zone} />
      </PageHead>
      <Tabs tab={tab} callId={call.call_id} versions={detail.versions.length} />
      <div className={css.tab}>{parts[tab]()}</div>
    </>
  );
}

function Caller({ call }: { call: Call }) {
  const ours = call.direction === "outbound" || call.direction === "internal";
  const person = call.person?.name ?? call.person?.uid ?? null;
  if (!ours || call.extension === null) {
    return <PhoneNumber party={call.calling} />;
  }
  return (
    <>
      {call.extension} {person}
    </>
  );
}

function CallFacts({ call, zone }: { call: Call; zone: string }) {
  const { t } = useLingui();
  const words = useWords();
  const word = (value: string | null) => (value === null ? <Unknown /> : words(value));
  const name = (value: { uid: string; name: string | null } | null) =>
    value === null ? <Unknown /> : (value.name ?? value.uid);
  const prices = call.prices.map((price) => ({
    name: t`Cost, ${price.price_list}`,
    value: price.money === null ? t`not priced` : <Amount money={price.money} places="charge" />,
  }));
  const trunks = [call.trunk_in, call.trunk_out].filter((trunk) => trunk !== null).join(" → ");
  const began = call.started_at;
  return (
    <Facts
      facts={[
        {
          name: t`Began`,
          value: began === null ? <Unknown /> : <Instant at={began} zone={zone} style="full" />,
        },
        {
          name: t`Talk`,
          value: call.talk_ms === null ? <Unknown /> : <Duration ms={call.talk_ms} />,
        },
        ...prices,
        { name: t`Result`, value: word(call.disposition) },
        { name: t`Direction`, value: word(call.direction) },
        { name: t`Kind`, value: word(call.call_class) },
        { name: t`Site`, value: name(call.site) },
        { name: t`Department`, value: name(call.department) },
        { name: t`Trunk`, value: trunks === "" ? <Unknown /> : trunks },
      ]}
    />
  );
}

function useTab(): Tab {
  const search = useSearch({ strict: false }) as Record<string, string>;
  return TABS.find((tab) => tab === search.tab) ?? "ladder";
}

function Tabs({ tab, callId, versions }: { tab: Tab; callId: string; versions: number }) {
  const { t } = useLingui();
  const may = useMay();
  const navigate = useNavigate();
  const names: Record<Tab, string> = {
    ladder: t`Ladder`,
    receipt: t`Receipt`,
    raw: t`Raw record`,
    revisions: versions > 1 ? t`Revisions (${versions})` : t`Revisions`,
  };
  const keys = useMemo(
    () =>
      Object.fromEntries(
        TABS.map((one, index) => [
          String(index + 1),
          () =>
            void navigate({
              to: "/calls/$callId",
              params: { callId },
              search: { tab: one },
              replace: true,
            }),
        ]),
      ),
    [navigate, callId],
  );
  useKeys(keys);
  return (
    <nav className={css.tabs} aria-label={t`Parts of the call`} data-print="no">
      {TABS.filter((one) => one !== "raw" || may(RAW)).map((one) => (
        <Link
          key={one}
          to="/calls/$callId"
          params={{ callId }}
          search={{ tab: one }}
          replace
          aria-current={one === tab ? "page" : undefined}
          activeProps={{}}
        >
          {names[one]}
        </Link>
      ))}
    </nav>
  );
}
