import { useLingui } from "@lingui/react/macro";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { TariffFile } from "@/api/types";
import { Button } from "@/design/controls";
import { PageHead, Panel } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { Findings } from "./Findings";
import { check, filesOf, store } from "./queries";
import css from "./tariffs.module.css";

/** Files in, every mistake and every change out; nothing is stored before it is said so. */
export function ImportPage() {
  const { t } = useLingui();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [files, setFiles] = useState<TariffFile[]>([]);
  const checking = useMutation({ mutationFn: check });
  const storing = useMutation({
    mutationFn: store,
    onSuccess: (tariff) => {
      void queries.invalidateQueries({ queryKey: ["tariffs"] });
      void navigate({
        to: "/tariffs/$uid/v/$number",
        params: { uid: tariff.uid, number: String(tariff.version) },
      });
    },
  });
  const choose = async (chosen: readonly File[]) => {
    storing.reset();
    const read = await filesOf(chosen);
    setFiles(read);
    checking.mutate(read);
  };
  const error = checking.error ?? storing.error;
  return (
    <>
      <PageHead title={t`Import a price list`} />
      <div className={css.stack}>
        <Panel title={t`Files`}>
          <label className={css.files}>
            <span>{t`The YAML document, and the decks (CSV) that it names`}</span>
            <input
              type="file"
              multiple
              accept=".yaml,.yml,.csv"
              onChange={(event) => void choose([...(event.currentTarget.files ?? [])])}
            />
          </label>
        </Panel>
        {error === null ? null : <ProblemPanel error={error} />}
        {checking.isPending ? <Skeleton lines={4} /> : null}
        {checking.data === undefined ? null : (
          <>
            <Findings check={checking.data} />
            <div className={css.verdict}>
              {checking.data.good ? (
                <Status level="ok">{t`No mistake: it can be stored and previewed.`}</Status>
              ) : (
                <Status level="bad">{t`It cannot be stored before the mistakes are mended.`}</Status>
              )}
              <Button
                look="main"
                disabled={!checking.data.good}
                busy={storing.isPending}
                onPress={() => storing.mutate(files)}
              >
                {t`Store, not yet in force`}
              </Button>
            </div>
          </>
        )}
      </div>
    </>
  );
}
