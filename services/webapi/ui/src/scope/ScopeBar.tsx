/** What the page is filtered by: period, a chip for each condition, a way to add one. */
import { useLingui } from "@lingui/react/macro";
import { useQuery } from "@tanstack/react-query";
import { choicesQuery } from "@/api/session";
import type { Choices } from "@/api/types";
import { useFormats } from "@/design/formats";
import { CloseIcon } from "@/design/icons";
import { AddFilter } from "./AddFilter";
import { type FieldKind, fieldOf, TIME_FIELDS } from "./fields";
import type { Term } from "./grammar";
import { PeriodChoice } from "./PeriodChoice";
import css from "./ScopeBar.module.css";
import { useChangeScope, useScope } from "./use-scope";
import { useWords } from "./words";

export function ScopeBar({ fallback }: { fallback: string }) {
  const { t } = useLingui();
  const scope = useScope();
  const change = useChangeScope();
  const choices = useQuery(choicesQuery).data ?? null;
  const conditions = scope.filter((term) => !isTime(term));
  return (
    <search className={css.bar} aria-label={t`Filter`} data-print="no">
      <PeriodChoice scope={scope} onChange={change} fallback={fallback} />
      {conditions.map((term) => (
        <Chip
          key={`${term.field}${term.operator}`}
          term={term}
          choices={choices}
          onRemove={() => change(scope.filter((other) => other !== term))}
        />
      ))}
      <AddFilter scope={scope} choices={choices} onChange={change} />
    </search>
  );
}

function isTime(term: Term): boolean {
  return (TIME_FIELDS as readonly string[]).includes(term.field);
}

function Chip({
  term,
  choices,
  onRemove,
}: {
  term: Term;
  choices: Choices | null;
  onRemove: () => void;
}) {
  const { t, i18n } = useLingui();
  const words = useWords();
  const { count } = useFormats();
  const field = fieldOf(term.field, term.operator);
  const values =
    field?.kind === "calls"
      ? [count(term.values.length)]
      : term.values.map((value) => nameOf(field?.kind, value, choices) ?? words(value));
  const text =
    field === null
      ? t`not understood: ${term.field}${term.operator}${term.values.join(",")}`
      : `${i18n._(field.word)}: ${values.join(", ")}`;
  return (
    <span className={field === null ? css.unknown : css.chip}>
      <span dir="auto">{text}</span>
      <button type="button" aria-label={t`Remove ${text}`} onClick={onRemove}>
        <CloseIcon size={14} aria-hidden="true" />
      </button>
    </span>
  );
}

function nameOf(kind: FieldKind | undefined, uid: string, choices: Choices | null): string | null {
  const named =
    kind === "site" ? choices?.sites : kind === "department" ? choices?.departments : [];
  return named?.find((entry) => entry.uid === uid)?.name ?? null;
}
