import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Process } from "@/api/types";
import { Button, SelectField } from "@/design/controls";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { LEVELS, type LogLevel, serverQuery, setLogLevel } from "./queries";
import css from "./server.module.css";

const MINUTES = ["5", "15", "30", "60", "240"];

/** Let a process write more or less into its log, for a time. */
export function LogLevelForm({ process, onDone }: { process: Process; onDone: () => void }) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const [level, setLevel] = useState<LogLevel>("debug");
  const [minutes, setMinutes] = useState("30");
  const setting = useMutation({
    mutationFn: () => setLogLevel({ instance: process.instance, level, minutes: Number(minutes) }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: serverQuery.queryKey });
      onDone();
    },
  });
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        setting.mutate();
      }}
    >
      {setting.error === null ? null : <ProblemPanel error={setting.error} />}
      <SelectField
        label={t`Level`}
        value={level}
        choices={LEVELS.map((value) => ({ value, label: value }))}
        onChange={(next) => setLevel(next as LogLevel)}
      />
      <SelectField
        label={t`For`}
        value={minutes}
        choices={MINUTES.map((value) => ({ value, label: t`${value} minutes` }))}
        onChange={setMinutes}
      />
      <p
        className={css.of}
      >{t`Then the level of before returns by itself. At debug the log grows many times faster; numbers stay masked.`}</p>
      <Button submit look="main" wide busy={setting.isPending}>
        {t`Set the level`}
      </Button>
    </form>
  );
}
