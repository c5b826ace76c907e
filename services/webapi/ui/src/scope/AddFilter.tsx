import { useLingui } from "@lingui/react/macro";
import { useState } from "react";
import type { Choices } from "@/api/types";
import { Button, type Choice, SelectField, TextField } from "@/design/controls";
import { AddIcon } from "@/design/icons";
import { Popover } from "@/design/overlays";
import { FIELDS, type ScopeField } from "./fields";
import { type Scope, withTerm } from "./grammar";
import css from "./ScopeBar.module.css";
import { useWords } from "./words";

/** Choose a field, then its value; nothing else is asked. */
export function AddFilter({
  scope,
  choices,
  onChange,
}: {
  scope: Scope;
  choices: Choices | null;
  onChange: (scope: Scope) => void;
}) {
  const { t } = useLingui();
  return (
    <Popover
      label={t`Add a filter`}
      className={`${css.pick} ${css.add}`}
      face={
        <>
          <AddIcon size={16} aria-hidden="true" />
          <span>{t`Filter`}</span>
        </>
      }
    >
      {(close) => (
        <FilterForm
          choices={choices}
          onAdd={(field, value) => {
            onChange(withTerm(scope, field.name, field.operator, [value]));
            close();
          }}
        />
      )}
    </Popover>
  );
}

function FilterForm({
  choices,
  onAdd,
}: {
  choices: Choices | null;
  onAdd: (field: ScopeField, value: string) => void;
}) {
  const { t, i18n } = useLingui();
  const [index, setIndex] = useState(2);
  const [value, setValue] = useState("");
  const field = FIELDS[index];
  const options = useOptions(field, choices);
  if (field === undefined) {
    return null;
  }
  const chosen = options.length > 0 && value === "" ? (options[0]?.value ?? "") : value;
  return (
    <form
      className={css.form}
      onSubmit={(event) => {
        event.preventDefault();
        onAdd(field, chosen.trim());
      }}
    >
      <SelectField
        label={t`Filter by`}
        value={String(index)}
        onChange={(next) => {
          setIndex(Number(next));
          setValue("");
        }}
        choices={FIELDS.map((each, at) => ({ value: String(at), label: i18n._(each.word) }))}
      />
      {options.length > 0 ? (
        <SelectField label={t`Value`} value={chosen} onChange={setValue} choices={options} />
      ) : (
        <TextField
          label={t`Value`}
          value={value}
          onChange={setValue}
          autoComplete="off"
          inputMode={field.kind === "amount" ? "decimal" : "text"}
        />
      )}
      <div className={css.buttons}>
        <Button submit look="main" disabled={chosen.trim() === ""}>
          {t`Add`}
        </Button>
      </div>
    </form>
  );
}

function useOptions(field: ScopeField | undefined, choices: Choices | null): readonly Choice[] {
  const words = useWords();
  if (field === undefined || choices === null) {
    return [];
  }
  const said = (values: readonly string[]) =>
    values.map((value) => ({ value, label: words(value) }));
  switch (field.kind) {
    case "site":
      return choices.sites.map((site) => ({ value: site.uid, label: site.name ?? site.uid }));
    case "department":
      return choices.departments.map((one) => ({ value: one.uid, label: one.name ?? one.uid }));
    case "price_list":
      return choices.price_lists.map((list) => ({ value: list.name, label: list.name }));
    case "words":
      return said(valuesOf(field.name, choices));
    default:
      return [];
  }
}

function valuesOf(name: string, choices: Choices): readonly string[] {
  switch (name) {
    case "direction":
      return choices.directions;
    case "class":
      return choices.classes;
    case "disposition":
      return choices.dispositions;
    default:
      return ["true"];
  }
}
