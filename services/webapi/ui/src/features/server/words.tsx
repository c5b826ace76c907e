/** What a role does and what happens while it is away, in the reader's language. */
import { useLingui } from "@lingui/react/macro";
import type { Process } from "@/api/types";
import { Status } from "@/design/Status";

export function useRoleNames(): (role: string) => string {
  const { t } = useLingui();
  return (role) => {
    switch (role) {
      case "embedded":
        return t`The whole installation`;
      case "ingest":
        return t`Ingest`;
      case "parser":
        return t`Parser`;
      case "billing":
        return t`Billing`;
      case "storage":
        return t`Storage`;
      case "webapi":
        return t`This page and its API`;
      default:
        return role;
    }
  };
}

/** What a drain of this role means for what is collected. */
export function useEffects(): (process: Process) => string {
  const { t } = useLingui();
  return (process) => {
    switch (process.role) {
      case "embedded":
        return t`What is begun is finished, then the program ends, and this page with it. Until somebody starts it again no PBX is read: what PBXs send meanwhile stays with them, if they keep it.`;
      case "ingest":
        return t`Units connect to another copy, or keep their records in their journals until one is there. Nothing is lost.`;
      case "parser":
        return t`Its part of the log goes to another copy. Until then records wait in the log; the lag grows for some seconds. Nothing is lost.`;
      case "billing":
        return t`Its part of the log goes to another copy. Until then calls get no price; the lag grows for some seconds. Nothing is lost.`;
      case "storage":
        return t`Its part of the log goes to another copy. Until then new calls do not appear, and this page may answer slowly. Nothing is lost.`;
      case "webapi":
        return t`Nobody has to sign in again: the next request goes to another copy, if there is one. Nothing is lost.`;
      default:
        return t`It finishes what is begun and ends; whoever supervises it starts it again.`;
    }
  };
}

export function ProcessState({ process }: { process: Process }) {
  const { t } = useLingui();
  switch (process.state) {
    case "ready":
      return process.conditions.every((condition) => condition.good) ? (
        <Status level="ok">{t`ready`}</Status>
      ) : (
        <Status level="warn">{t`ready, with a warning`}</Status>
      );
    case "not_ready":
      return <Status level="bad">{t`not ready`}</Status>;
    case "draining":
      return <Status level="warn">{t`about to end`}</Status>;
    case "away":
      return <Status level="bad">{t`does not answer`}</Status>;
  }
}
