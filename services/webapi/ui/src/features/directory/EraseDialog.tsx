/** Erasing a person: look what would go, let the files go first, type the name, follow the job. */
import { Trans, useLingui } from "@lingui/react/macro";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { ErasurePreview } from "@/api/types";
import { Button, TextField } from "@/design/controls";
import { Dialog } from "@/design/Dialog";
import { Instant, Unknown } from "@/design/Figures";
import { zoneOf } from "@/design/format";
import { useFormats } from "@/design/formats";
import { Facts } from "@/design/Page";
import { Skeleton } from "@/design/States";
import { Status } from "@/design/Status";
import { ProblemPanel } from "@/shell/ProblemPanel";
import css from "./directory.module.css";
import { erase, erasurePreviewQuery } from "./queries";

/** `person` null = closed, "" = somebody who is to be named first. */
export function EraseDialog({ person, onClose }: { person: string | null; onClose: () => void }) {
  const { t } = useLingui();
  return (
    <Dialog open={person !== null} onClose={onClose} title={t`Erase a person`}>
      {person === null ? null : <Steps person={person} onClose={onClose} />}
    </Dialog>
  );
}

function Steps({ person, onClose }: { person: string; onClose: () => void }) {
  const { t } = useLingui();
  const [typed, setTyped] = useState(person);
  const [uid, setUid] = useState(person);
  const preview = useQuery({ ...erasurePreviewQuery(uid), enabled: uid !== "" });
  return (
    <div className={css.erase}>
      <p>
        <Trans>
          Numbers, names and raw lines of their calls go for good, from tables, sealed files and old
          directories. What the calls cost, when they were and who paid stays.
        </Trans>
      </p>
      <form
        className={css.day}
        onSubmit={(event) => {
          event.preventDefault();
          setUid(typed.trim());
        }}
      >
        <TextField
          label={t`Person`}
          hint={t`as the directory's files name them (person_uid)`}
          value={typed}
          onChange={setTyped}
          autoComplete="off"
        />
        <Button submit disabled={typed.trim() === ""}>{t`Look`}</Button>
      </form>
      {preview.error === null ? null : <ProblemPanel error={preview.error} />}
      {preview.isFetching && preview.data === undefined ? <Skeleton lines={4} /> : null}
      {preview.data === undefined || preview.error !== null ? null : (
        <Shown
          key={preview.data.person_uid}
          preview={preview.data}
          looking={preview.isFetching}
          onLook={() => void preview.refetch()}
          onClose={onClose}
        />
      )}
    </div>
  );
}

function Shown({
  preview,
  looking,
  onLook,
  onClose,
}: {
  preview: ErasurePreview;
  looking: boolean;
  onLook: () => void;
  onClose: () => void;
}) {
  const { t } = useLingui();
  const { count } = useFormats();
  const at = (moment: string | null) =>
    moment === null ? <Unknown /> : <Instant at={moment} zone={zoneOf("me", null)} />;
  const files = new Intl.ListFormat().format(preview.named_by);
  return (
    <>
      <Facts
        facts={[
          { name: t`Name`, value: preview.name },
          { name: t`Calls`, value: count(preview.calls) },
          { name: t`First call`, value: at(preview.first_at) },
          { name: t`Last call`, value: at(preview.last_at) },
          { name: t`Lines of the PBX`, value: count(preview.legs) },
          { name: t`Sealed files written anew`, value: count(preview.segments) },
          { name: t`Old directories`, value: count(preview.directory_versions) },
        ]}
      />
      {preview.named_by.length === 0 ? (
        <Confirm preview={preview} onClose={onClose} />
      ) : (
        <>
          <Status level="warn">{t`First take them and their extensions out of ${files}`}</Status>
          <p>
            <Trans>
              Those files own the directory: as long as they name this person, the next version
              would bring the name back.
            </Trans>
          </p>
          <div className={css.buttons}>
            <Button busy={looking} onPress={onLook}>{t`Look again`}</Button>
            <Button onPress={onClose}>{t`Close`}</Button>
          </div>
        </>
      )}
    </>
  );
}

function Confirm({ preview, onClose }: { preview: ErasurePreview; onClose: () => void }) {
  const { t } = useLingui();
  const [name, setName] = useState("");
  const erasing = useMutation({ mutationFn: () => erase(preview.person_uid, name) });
  if (erasing.data !== undefined) {
    return (
      <>
        <Status level="ok">{t`The erasure is under way`}</Status>
        <p>
          <Link to="/jobs/$name" params={{ name: erasing.data.name }}>
            {t`See how far it is, and its proof at the end`}
          </Link>
        </p>
      </>
    );
  }
  return (
    <>
      {erasing.error === null ? null : <ProblemPanel error={erasing.error} />}
      <TextField
        label={t`Type ${preview.name} to confirm`}
        value={name}
        onChange={setName}
        autoComplete="off"
      />
      <div className={css.buttons}>
        <Button
          look="danger"
          busy={erasing.isPending}
          disabled={name.trim() !== preview.name}
          onPress={() => erasing.mutate()}
        >
          {t`Erase for good`}
        </Button>
        <Button onPress={onClose}>{t`Keep it`}</Button>
      </div>
    </>
  );
}
