import { Trans, useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import type { Directory } from "@/api/types";
import { Button, TextField } from "@/design/controls";
import { useFormats } from "@/design/formats";
import { PageHead, Panel } from "@/design/Page";
import { Empty, Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import type { RawSearch } from "@/scope/use-scope";
import { ProblemPanel } from "@/shell/ProblemPanel";
import { useMay } from "@/shell/permissions";
import { DepartmentTree } from "./DepartmentTree";
import css from "./directory.module.css";
import { EraseDialog } from "./EraseDialog";
import { ExtensionTable, PeopleTable } from "./Found";
import { foundQuery, treeQuery } from "./queries";

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Who was where on a day. The files of the installation are the owners: nothing changes here. */
export function DirectoryPage() {
  const { t } = useLingui();
  const search = useSearch({ strict: false }) as RawSearch;
  const at = search.at !== undefined && DAY.test(search.at) ? search.at : null;
  const tree = useQuery(treeQuery(at));
  const [erasing, setErasing] = useState<string | null>(null);
  const onErase = useMay()("people.erase") ? setErasing : null;
  return (
    <div className={css.page} data-past={at !== null}>
      <PageHead
        title={t`Directory`}
        aside={
          onErase === null ? null : <Button onPress={() => onErase("")}>{t`Erase a person`}</Button>
        }
      >
        <Day at={at} />
        {tree.data === undefined ? null : <About tree={tree.data} />}
      </PageHead>
      {tree.error === null ? null : (
        <ProblemPanel error={tree.error} onRetry={() => void tree.refetch()} />
      )}
      {tree.isPending ? <Skeleton lines={8} height="1.5rem" /> : null}
      {tree.data === undefined ? null : (
        <Contents
          tree={tree.data}
          at={at}
          department={search.department ?? null}
          onErase={onErase}
        />
      )}
      <EraseDialog person={erasing} onClose={() => setErasing(null)} />
    </div>
  );
}

function Day({ at }: { at: string | null }) {
  const { t } = useLingui();
  const { day } = useFormats();
  const navigate = useNavigate();
  const go = (next: string) =>
    void navigate({
      to: ".",
      search: (old: RawSearch) => ({ ...old, at: next }),
      replace: true,
    });
  const shown = at === null ? null : day(at, { day: "numeric", month: "long", year: "numeric" });
  return (
    <div className={css.day}>
      <TextField label={t`As of`} type="date" value={at ?? ""} onChange={go} />
      {shown === null ? null : (
        <>
          <Status level="warn">
            <Trans>The past: as it was on {shown}</Trans>
          </Status>
          <Button onPress={() => go("")}>{t`Back to today`}</Button>
        </>
      )}
    </div>
  );
}

function About({ tree }: { tree: Directory }) {
  const { count } = useFormats();
  const files = new Intl.ListFormat().format(tree.files);
  const [people, extensions] = [count(tree.people), count(tree.extensions)];
  return (
    <p className={css.about}>
      <Trans>
        {people} people, {extensions} extensions. It is read from {files}: change it there, and it
        holds here within seconds.
      </Trans>
    </p>
  );
}

function Contents({
  tree,
  at,
  department,
  onErase,
}: {
  tree: Directory;
  at: string | null;
  department: string | null;
  onErase: ((person: string) => void) | null;
}) {
  const { t } = useLingui();
  const [text, setText] = useState("");
  const wanted = useDeferredValue({ at, department, text: text.trim() });
  const found = useQuery(foundQuery(wanted));
  const none = found.data?.people.length === 0 && found.data.extensions.length === 0;
  return (
    <div className={css.columns}>
      <Panel title={t`Departments`} flush>
        {tree.departments.length === 0 ? (
          <Empty title={t`There is no department`} />
        ) : (
          <DepartmentTree departments={tree.departments} chosen={department} />
        )}
      </Panel>
      <div className={css.found} data-dimmed={found.isPlaceholderData}>
        <search>
          <TextField
            label={t`Find`}
            placeholder={t`Part of a name, or how an extension begins`}
            value={text}
            onChange={setText}
            autoComplete="off"
          />
        </search>
        {found.error === null ? null : (
          <ProblemPanel error={found.error} onRetry={() => void found.refetch()} />
        )}
        {found.isPending ? <Skeleton lines={6} height="1.5rem" /> : null}
        {none ? (
          <Empty title={t`Nobody matches`}>
            <p>{t`Take a letter away, choose another department, or another day.`}</p>
          </Empty>
        ) : null}
        {found.data === undefined ? null : (
          <>
            <PeopleTable
              people={found.data.people}
              whole={found.data.people_whole}
              onErase={onErase}
            />
            <ExtensionTable
              extensions={found.data.extensions}
              whole={found.data.extensions_whole}
            />
          </>
        )}
      </div>
    </div>
  );
}
