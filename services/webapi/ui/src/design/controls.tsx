/** Buttons and fields. The component library is named in `design/` alone. */

import { useLingui } from "@lingui/react/macro";
import { NativeSelect, PasswordInput, TextInput } from "@mantine/core";
import type { ComponentType, ReactNode, Ref } from "react";
import css from "./controls.module.css";
import { OpenIcon } from "./icons";

export interface IconProps {
  size?: number | string;
  stroke?: number | string;
  "aria-hidden"?: boolean | "true";
}

interface ButtonProps {
  children: ReactNode;
  onPress?: () => void;
  look?: "main" | "plain" | "quiet" | "danger";
  submit?: boolean;
  busy?: boolean;
  disabled?: boolean;
  icon?: ComponentType<IconProps>;
  wide?: boolean;
}

export function Button({
  children,
  onPress,
  look = "plain",
  submit = false,
  busy = false,
  disabled = false,
  icon: Icon,
  wide = false,
}: ButtonProps) {
  return (
    <button
      type={submit ? "submit" : "button"}
      className={css.button}
      data-look={look}
      data-wide={wide}
      aria-busy={busy}
      disabled={disabled || busy}
      onClick={() => onPress?.()}
    >
      {Icon === undefined ? null : <Icon size={16} stroke={1.75} aria-hidden="true" />}
      <span>{children}</span>
    </button>
  );
}

export function IconButton({
  icon: Icon,
  name,
  onPress,
  disabled = false,
}: {
  icon: ComponentType<IconProps>;
  name: string;
  onPress?: () => void;
  disabled?: boolean;
}) {
  return (
    <button
      type="button"
      className={css.icon}
      aria-label={name}
      title={name}
      disabled={disabled}
      onClick={() => onPress?.()}
    >
      <Icon size={18} stroke={1.75} aria-hidden="true" />
    </button>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  error?: string | null;
  autoComplete?: string;
  required?: boolean;
  autoFocus?: boolean;
  placeholder?: string;
  type?: "text" | "date" | "datetime-local";
  inputMode?: "text" | "decimal" | "numeric" | "tel";
  ref?: Ref<HTMLInputElement>;
}

function shared(props: FieldProps) {
  const { label, value, onChange, hint, error, ref, ...rest } = props;
  return {
    ...rest,
    ref,
    label,
    value,
    description: hint,
    error: error ?? false,
    onChange: (event: { currentTarget: { value: string } }) => onChange(event.currentTarget.value),
    classNames: { input: css.input ?? "", label: css.label ?? "", description: css.hint ?? "" },
    withAsterisk: false,
  };
}

export function TextField(props: FieldProps) {
  return <TextInput {...shared(props)} />;
}

export function PasswordField(props: FieldProps) {
  const { t } = useLingui();
  return (
    <PasswordInput
      {...shared(props)}
      visibilityToggleButtonProps={{ "aria-label": t`Show what I type` }}
    />
  );
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

export function SelectField({
  label,
  value,
  onChange,
  choices,
  hidden = false,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  choices: readonly Choice[];
  hidden?: boolean;
}) {
  return (
    <NativeSelect
      {...(hidden ? { "aria-label": label } : { label })}
      value={value}
      data={choices.map((choice) => ({ ...choice }))}
      onChange={(event) => onChange(event.currentTarget.value)}
      rightSection={<OpenIcon size={16} stroke={1.75} aria-hidden="true" />}
      classNames={{ input: `${css.input} ${css.select}`, label: css.label ?? "" }}
    />
  );
}

export function CheckField({
  label,
  value,
  onChange,
}: {
  label: string;
  value: boolean;
  onChange: (value: boolean) => void;
}) {
  return (
    <label className={css.check}>
      <input
        type="checkbox"
        checked={value}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

/** Lines of a PBX: in fixed width, never wrapped and never corrected. */
export function TextArea({
  label,
  value,
  onChange,
  rows = 6,
  placeholder = "",
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  rows?: number;
  placeholder?: string;
}) {
  return (
    <label className={css.area}>
      <span>{label}</span>
      <textarea
        rows={rows}
        dir="ltr"
        spellCheck={false}
        wrap="off"
        value={value}
        placeholder={placeholder}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </label>
  );
}
