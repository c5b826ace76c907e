import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Process } from "@/api/types";
import { Button, CheckField } from "@/design/controls";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { drain, serverQuery } from "./queries";
import css from "./server.module.css";
import { useEffects, useRoleNames } from "./words";

/** Says what a drain does before it is ordered, and warns where another process is away too. */
export function DrainForm({
  process,
  others,
  onDone,
}: {
  process: Process;
  others: readonly Process[];
  onDone: () => void;
}) {
  const { t } = useLingui();
  const queries = useQueryClient();
  const effects = useEffects();
  const roles = useRoleNames();
  const [although, setAlthough] = useState(false);
  const unwell = others.filter((other) => other.state !== "ready");
  const names = [...new Set(unwell.map((other) => roles(other.role)))].join(", ");
  const draining = useMutation({
    mutationFn: () => drain({ instance: process.instance, although }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: serverQuery.queryKey });
      onDone();
    },
  });
  return (
    <div className={css.form}>
      {draining.error === null ? null : <ProblemPanel error={draining.error} />}
      <p>{effects(process)}</p>
      {unwell.length === 0 ? null : (
        <>
          <Status level="warn">{t`Not ready already: ${names}. With both away records wait longer.`}</Status>
          <CheckField label={t`Let it end all the same`} value={although} onChange={setAlthough} />
        </>
      )}
      <div className={css.buttons}>
        <Button
          look="danger"
          busy={draining.isPending}
          disabled={unwell.length > 0 && !although}
          onPress={() => draining.mutate()}
        >
          {t`Let it end`}
        </Button>
        <Button onPress={onDone}>{t`Leave it`}</Button>
      </div>
    </div>
  );
}
