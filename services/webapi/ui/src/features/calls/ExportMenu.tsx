import { useLingui } from "@lingui/react/macro";
import { useMutation } from "@tanstack/react-query";
import { downloadCalls, type ExportForm } from "@/api/download";
import { ExportIcon } from "@/design/icons";
import { Menu } from "@/design/overlays";
import { useProblemWords } from "@/shell/ProblemPanel";
import css from "./calls.module.css";

/** The same calls as the list, all of them, as a file. */
export function ExportMenu({ filter }: { filter: string }) {
  const { t } = useLingui();
  const words = useProblemWords();
  const exporting = useMutation({
    mutationFn: (form: ExportForm) => downloadCalls(filter, form),
  });
  return (
    <>
      {exporting.error === null ? null : (
        <span role="alert" className={css.refusal}>
          {words(exporting.error).title}
        </span>
      )}
      <Menu
        groups={[
          {
            entries: [
              { label: t`As Excel workbook`, onPress: () => exporting.mutate("xlsx") },
              { label: t`As CSV`, onPress: () => exporting.mutate("csv") },
              { label: t`As JSON lines`, onPress: () => exporting.mutate("jsonl") },
            ],
          },
        ]}
        label={t`Export`}
        className={css.export}
        disabled={exporting.isPending}
        face={
          <>
            <ExportIcon size={16} stroke={1.75} aria-hidden="true" />
            {exporting.isPending ? t`Exporting…` : t`Export`}
          </>
        }
      />
    </>
  );
}
