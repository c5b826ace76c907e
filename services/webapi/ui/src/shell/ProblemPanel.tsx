/** A refusal of the API in words and with its remedy; the catalogue knows the codes. */
import { useLingui } from "@lingui/react/macro";
import { Problem, UNREACHABLE } from "@/api/problems";
import { Failed } from "@/design/States";

export function ProblemPanel({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const words = useProblemWords();
  const { title, remedy } = words(error);
  return (
    <Failed
      title={title}
      remedy={remedy}
      traceId={error instanceof Problem ? error.traceId : null}
      {...(onRetry === undefined ? {} : { onRetry })}
    />
  );
}

export interface ProblemWords {
  readonly title: string;
  readonly remedy: string | null;
}

/** Give the sentences for a problem: ours where the code is known, else those that came with it. */
export function useProblemWords(): (error: Error) => ProblemWords {
  const { t } = useLingui();
  return (error) => {
    if (!(error instanceof Problem)) {
      return { title: t`This part of the page failed.`, remedy: error.message };
    }
    switch (error.code) {
      case UNREACHABLE:
        return {
          title: t`The server cannot be reached.`,
          remedy: t`Check the network. Nothing is lost: collection goes on without this page.`,
        };
      case "not_signed_in":
        return { title: t`You are not signed in.`, remedy: t`Sign in again to go on.` };
      case "sign_in_refused":
        return {
          title: t`Name or password is wrong.`,
          remedy: t`Check both and try again.`,
        };
      case "code_refused":
        return {
          title: t`This code does not hold.`,
          remedy: t`Enter the newest code of your device; each holds once.`,
        };
      case "provider_refused":
        return {
          title: t`Your provider did not sign you in.`,
          remedy: t`Try again; if it stays so, ask who runs this installation.`,
        };
      case "no_grant":
        return {
          title: t`Your provider knows you, but none of your groups has a role here.`,
          remedy: t`Ask who runs this installation for a role.`,
        };
      case "too_many":
        return { title: t`Too many requests.`, remedy: t`Wait a minute and try again.` };
      case "changed_meanwhile":
        return {
          title: t`Somebody changed this meanwhile.`,
          remedy: t`What stands now is shown; make your change again if it is still right.`,
        };
      case "locked_out":
        return { title: t`Too many attempts.`, remedy: error.detail ?? error.remedy };
      case "not_permitted":
        return {
          title: t`Your role does not allow this.`,
          remedy: error.remedy ?? t`An owner of this installation can grant it.`,
        };
      case "out_of_scope":
        return {
          title: t`This lies outside the sites and departments that you may see.`,
          remedy: error.remedy ?? t`An owner of this installation can grant it.`,
        };
      case "numbers_masked":
        return {
          title: t`Your role does not show phone numbers, so they cannot be searched.`,
          remedy: t`An owner of this installation can grant it.`,
        };
      case "four_eyes":
        return {
          title: t`Somebody else has to activate this.`,
          remedy: t`Who stored a price list does not activate it.`,
        };
      case "not_found":
        return { title: t`There is no such thing here.`, remedy: error.remedy ?? error.detail };
      case "filter_invalid":
        return { title: t`A filter cannot be read.`, remedy: fieldsOf(error) ?? error.remedy };
      case "link_refused":
        return {
          title: t`This link cannot be used any more.`,
          remedy: error.remedy ?? t`It works once, and for a limited time.`,
        };
      case "password_weak":
        return {
          title: t`This password is too easy to guess.`,
          remedy: error.remedy ?? error.detail,
        };
      case "busy":
      case "away":
        return {
          title: t`A part of the server is busy or away.`,
          remedy: error.remedy ?? t`Try again in a moment. Collection goes on meanwhile.`,
        };
      default:
        return { title: error.message, remedy: error.remedy ?? error.detail };
    }
  };
}

function fieldsOf(error: Problem): string | null {
  const fields = error.params.fields;
  if (!Array.isArray(fields)) {
    return null;
  }
  return fields
    .map((field: { field?: unknown; value?: unknown; problem?: unknown }) =>
      [`${field.field}=${field.value}`, field.problem].join(": "),
    )
    .join("; ");
}
