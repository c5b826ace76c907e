import { useLingui } from "@lingui/react/macro";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Job, SuspenseRecord } from "@/api/types";
import { Button, TextField } from "@/design/controls";
import { Status } from "@/design/Status";
import { base64Of, bytesOf, editable } from "@/raw/raw-bytes";
import { isOver, jobQuery } from "@/shell/jobs";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { dismiss, repair } from "./queries";
import css from "./suspense.module.css";

/** A corrected line is a new record that refers to the old one; what was printed stays. */
export function RepairForm({ record }: { record: SuspenseRecord }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const printed = editable(bytesOf(record.raw));
  const [line, setLine] = useState(printed ?? "");
  const [why, setWhy] = useState("");
  const mending = useMutation({
    mutationFn: () => repair(record.suspense_id, line === printed ? null : base64Of(line), why),
  });
  const dismissing = useMutation({
    mutationFn: () => dismiss(record.suspense_id, why),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["suspense"] }),
  });
  const error = mending.error ?? dismissing.error;
  const ready = why.trim() !== "";
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        mending.mutate();
      }}
    >
      {error === null ? null : <ProblemPanel error={error} />}
      {printed === null ? (
        <p>{t`The record holds control characters, so a text field would change it. Mend it with bluewhale suspense repair.`}</p>
      ) : (
        <label className={css.line}>
          <span>{t`Corrected record`}</span>
          <textarea
            rows={4}
            dir="ltr"
            spellCheck={false}
            value={line}
            onChange={(event) => setLine(event.currentTarget.value.replace(/[\r\n]/g, ""))}
          />
        </label>
      )}
      <TextField
        label={t`Why`}
        hint={t`Kept in the audit trail.`}
        value={why}
        onChange={setWhy}
        required
        autoComplete="off"
      />
      <div className={css.buttons}>
        <Button submit look="main" disabled={!ready || printed === null} busy={mending.isPending}>
          {line === printed ? t`Read it again` : t`Apply`}
        </Button>
        <Button look="danger" disabled={!ready} onPress={() => dismissing.mutate()}>
          {t`Dismiss`}
        </Button>
      </div>
      {mending.data === undefined ? null : <Progress job={mending.data} />}
    </form>
  );
}

function Progress({ job }: { job: Job }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const found = useQuery(jobQuery(job.name)).data;
  const now = found?.job ?? job;
  const over = isOver(now);
  useEffect(() => {
    if (over) {
      void queries.invalidateQueries({ queryKey: ["suspense"] });
    }
  }, [over, queries]);
  return (
    <div role="status">
      {now.state === "done" ? (
        <Status level="ok">{t`Done.`}</Status>
      ) : now.state === "failed" ? (
        <Status level="bad">{now.message}</Status>
      ) : (
        <Status level="off">{t`At work…`}</Status>
      )}
    </div>
  );
}
