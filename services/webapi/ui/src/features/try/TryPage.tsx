import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import type { Trial } from "@/api/types";
import { TextField } from "@/design/controls";
import { Amount } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { Steps } from "@/receipt/Steps";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { millisecondsOf } from "./durations";
import { trialsQuery } from "./queries";
import css from "./try.module.css";

/** What would a call cost, on every price list, and why. */
export function TryPage() {
  const { t } = useLingui();
  const [number, setNumber] = useState("");
  const [talk, setTalk] = useState("3:00");
  const [at, setAt] = useState("");
  const talkMs = millisecondsOf(talk);
  const question = useDeferredValue({
    number: number.trim(),
    at: at === "" ? null : new Date(at).toISOString(),
    talkMs: talkMs ?? 0,
  });
  const trials = useQuery(trialsQuery(question));
  return (
    <>
      <PageHead title={t`Try a number`} />
      <div className={css.columns}>
        <Panel title={t`The call`}>
          <div className={css.form}>
            <TextField
              label={t`Number`}
              hint={t`In international form: +49 30 23125 042`}
              value={number}
              onChange={setNumber}
              inputMode="tel"
              autoComplete="off"
              autoFocus
            />
            <TextField
              label={t`Talk`}
              hint={t`Minutes and seconds: 3:07`}
              value={talk}
              onChange={setTalk}
              error={talkMs === null ? t`This is no duration.` : null}
              autoComplete="off"
            />
            <TextField
              label={t`Answered at`}
              hint={t`By your clock; empty = now`}
              type="datetime-local"
              value={at}
              onChange={setAt}
            />
          </div>
        </Panel>
        <div className={css.results} data-dimmed={trials.isPlaceholderData} aria-live="polite">
          {trials.error === null ? null : <ProblemPanel error={trials.error} />}
          {trials.fetchStatus === "fetching" && trials.data === undefined ? (
            <Skeleton lines={5} />
          ) : null}
          {trials.data === undefined && trials.fetchStatus === "idle" && trials.error === null ? (
            <Empty title={t`Type a number`}>
              <p>{t`The price of each list stands here, with its reasons.`}</p>
            </Empty>
          ) : null}
          {trials.data?.trials.map((trial) => (
            <TrialPanel key={trial.price_list} trial={trial} />
          ))}
        </div>
      </div>
    </>
  );
}

function TrialPanel({ trial }: { trial: Trial }) {
  const { t } = useLingui();
  return (
    <Panel
      title={t`Price list ${trial.price_list}`}
      aside={
        trial.money === null || trial.status === "unrated" ? (
          <Status level="warn">{t`not priced`}</Status>
        ) : (
          <strong>
            <Amount money={trial.money} places="charge" />
          </strong>
        )
      }
    >
      <Steps
        steps={trial.steps}
        zone={zoneOf("me", null)}
        currency={trial.money?.currency ?? null}
      />
    </Panel>
  );
}
