/** The steps of a receipt as sentences; a kind that is not known here is shown as it came. */
import { useLingui } from "@lingui/react/macro";
import type { ReactNode } from "react";
import type { Step } from "@/api/types";
import { duration, phoneNumber } from "@/design/format";
import { useFormats } from "@/design/formats";

export interface StepWords {
  readonly name: string;
  readonly text: ReactNode;
  /** What the step adds or gives, right-aligned. */
  readonly figure: ReactNode;
}

export function useStepWords(zone: string, currency: string | null): (step: Step) => StepWords {
  const { t } = useLingui();
  const { amount, instant, count } = useFormats();
  const exact = (text: string) =>
    currency === null ? text : amount({ amount: text, currency }, "exact");
  const figure = (text: string) =>
    currency === null ? text : amount({ amount: text, currency }, "charge");
  const moment = (text: string | undefined) =>
    text === undefined || Number.isNaN(Date.parse(text))
      ? (text ?? "")
      : instant(text, zone, "full");
  const clock = (text: string | undefined) =>
    text === undefined || Number.isNaN(Date.parse(text))
      ? (text ?? "")
      : instant(text, zone, "clock");
  return (step) => {
    const said = (name: string) => step.inputs[name] ?? "";
    const length = (name: string) => seconds(said(name));
    switch (step.kind) {
      case "tariff":
        return {
          name: t`Tariff`,
          text: t`${said("name") || said("tariff_uid")}, version ${said("version")}, in force from ${moment(step.inputs.in_force_from)}`,
          figure: "",
        };
      case "number":
        return { name: t`Destination`, text: matched(step), figure: "" };
      case "connected":
        return {
          name: t`Time billed`,
          text: t`${length("quantity_ms")} connected`,
          figure: seconds(step.result),
        };
      case "segment":
        return {
          name: t`Price`,
          text: t`${clock(step.inputs.from)} to ${clock(step.inputs.to)}${inWindow(said("window"))}: ${count(Number(said("blocks")))} × ${length("increment_ms")} at ${exact(said("price"))} per ${length("per_ms")}`,
          figure: figure(step.result),
        };
      case "connect_fee":
        return { name: t`Connection fee`, text: "", figure: figure(step.result) };
      case "surcharges":
        return { name: t`Surcharges`, text: "", figure: figure(step.result) };
      case "sum":
        return { name: t`Sum`, text: t`exact, before rounding`, figure: figure(step.result) };
      case "minimum":
        return {
          name: t`Minimum`,
          text: t`raised to the least charge`,
          figure: figure(step.result),
        };
      case "cap":
        return {
          name: t`Cap`,
          text: t`lowered to the highest charge`,
          figure: figure(step.result),
        };
      case "rounding":
        return {
          name: t`Rounding`,
          text: t`once, ${mode(said("mode"))}, to ${said("places")} places`,
          figure: figure(step.result),
        };
      case "result":
        return {
          name: t`Result`,
          text: "",
          figure: `${figure(step.result)} ${currency ?? ""}`.trim(),
        };
      default:
        return { name: nameOf(step.kind), text: step.text, figure: "" };
    }
  };

  function nameOf(kind: string): string {
    const names: Record<string, string> = {
      reversal: t`Correction`,
      unrated: t`Not priced`,
      remedy: t`What to do`,
      free: t`Free`,
    };
    return names[kind] ?? kind;
  }

  function mode(name: string): string {
    const modes: Record<string, string> = {
      half_up: t`half up`,
      half_even: t`half to even`,
      up: t`up`,
      down: t`down`,
    };
    return modes[name] ?? name;
  }

  function inWindow(name: string): string {
    return name === "" ? "" : `, ${name}`;
  }

  function matched(step: Step): ReactNode {
    const { number, prefix, destination, line } = step.inputs;
    const found =
      step.result === "" || prefix === undefined || prefix === ""
        ? t`every number`
        : t`longest prefix +${prefix}`;
    return (
      <>
        {number === undefined ? null : <bdi dir="ltr">{shown(number)}</bdi>}
        {number === undefined ? "" : ": "}
        {destination === undefined ? found : `${destination}, ${found}`}
        {line === undefined ? "" : `, ${t`line ${line} of the price list`}`}
      </>
    );
  }
}

function shown(number: string): string {
  return /^\+\d+$/.test(number) ? phoneNumber(number) : number;
}

function seconds(ms: string): string {
  const value = Number(ms);
  if (ms === "" || Number.isNaN(value)) {
    return ms;
  }
  return value % 1000 === 0 && value < 600_000 ? `${value / 1000} s` : duration(value);
}
