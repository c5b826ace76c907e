import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import type { Dialect } from "@/api/types";
import { SelectField, TextArea } from "@/design/controls";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { choicesOf, dialectsQuery, type Pasted, triedQuery } from "./queries";
import { TriedPanel } from "./TriedPanel";
import css from "./workshop.module.css";

/** Lines of a PBX tried with the parser that reads the links; nothing is stored. */
export function WorkshopPage() {
  const { t } = useLingui();
  const dialects = useQuery(dialectsQuery);
  return (
    <>
      <PageHead title={t`Workshop`}>
        <p
          className={css.about}
        >{t`Paste lines as a PBX prints them and see what they become. Nothing is stored.`}</p>
      </PageHead>
      {dialects.error === null ? null : (
        <ProblemPanel error={dialects.error} onRetry={() => void dialects.refetch()} />
      )}
      {dialects.isPending ? <Skeleton lines={6} height="2rem" /> : null}
      {dialects.data === undefined ? null : <Bench dialects={dialects.data.items} />}
    </>
  );
}

/** Where lines are read as: those of a link, or a format with settings of one's own. */
function asOf(chosen: string): { dialectId: string; linkUid: string | null } {
  const [dialectId, linkUid] = chosen.split(" ");
  return { dialectId: dialectId ?? "", linkUid: linkUid ?? null };
}

function firstOf(dialects: readonly Dialect[]): string {
  const linked = dialects.find((dialect) => dialect.links.length > 0);
  const link = linked?.links[0];
  return linked === undefined || link === undefined
    ? (dialects[0]?.dialect_id ?? "")
    : `${linked.dialect_id} ${link.link_uid}`;
}

function Bench({ dialects }: { dialects: readonly Dialect[] }) {
  const { t } = useLingui();
  const [chosen, choose] = useState(() => firstOf(dialects));
  const [options, setOptions] = useState<Record<string, string>>({});
  const [text, setText] = useState("");
  const { dialectId, linkUid } = asOf(chosen);
  const dialect = dialects.find((one) => one.dialect_id === dialectId);
  const pasted = useDeferredValue<Pasted>({ dialectId, linkUid, options, text });
  return (
    <div className={css.stack}>
      <Panel title={t`Lines`}>
        <div className={css.form}>
          <div className={css.as}>
            <SelectField
              label={t`Read as`}
              value={chosen}
              choices={dialects.flatMap((one) => [
                ...one.links.map((link) => ({
                  value: `${one.dialect_id} ${link.link_uid}`,
                  label: t`Link ${link.link_uid}`,
                })),
                { value: one.dialect_id, label: one.title },
              ])}
              onChange={(next) => {
                choose(next);
                setOptions({});
              }}
            />
            {linkUid === null
              ? choicesOf(dialect).map((option) => (
                  <SelectField
                    key={option.name}
                    label={option.name}
                    value={options[option.name] ?? String(option.default)}
                    choices={option.choices.map((value) => ({ value, label: value }))}
                    onChange={(value) => setOptions({ ...options, [option.name]: value })}
                  />
                ))
              : null}
          </div>
          <TextArea label={t`Lines as printed`} value={text} onChange={setText} rows={6} />
        </div>
      </Panel>
      <Results pasted={pasted} />
    </div>
  );
}

function Results({ pasted }: { pasted: Pasted }) {
  const { t } = useLingui();
  const tried = useQuery(triedQuery(pasted));
  const records = pasted.text.trim() === "" ? [] : (tried.data?.records ?? []);
  const legs = records.filter((record) => record.reason === null).length;
  const refused = records.length - legs;
  return (
    <div className={css.results} data-dimmed={tried.isPlaceholderData} aria-live="polite">
      {tried.error === null ? null : <ProblemPanel error={tried.error} />}
      {pasted.text.trim() === "" ? (
        <Empty title={t`No line yet`}>
          <p>{t`Each line shows here which bytes became which field, and why it is refused if it is.`}</p>
        </Empty>
      ) : tried.isPending && tried.fetchStatus === "fetching" ? (
        <Skeleton lines={6} />
      ) : null}
      {records.length === 0 ? null : (
        <p className={css.verdict}>
          <Status level="ok">
            <Plural value={legs} one="# line is a leg" other="# lines are legs" />
          </Status>
          {refused === 0 ? null : (
            <Status level="warn">
              <Plural value={refused} one="# is refused" other="# are refused" />
            </Status>
          )}
          {tried.data?.whole === false ? (
            <Status level="off">
              <Trans>there are more lines than are shown</Trans>
            </Status>
          ) : null}
        </p>
      )}
      {records.map((record, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a record is its place among the lines
        <TriedPanel key={index} place={index + 1} record={record} />
      ))}
    </div>
  );
}
