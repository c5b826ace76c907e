/** Why something costs what it costs: the steps of a price, in the order they were taken. */
import type { Step } from "@/api/types";
import { useStepWords } from "./step-words";
import css from "./steps.module.css";

interface Props {
  steps: readonly Step[];
  /** Whose clock says when a price holds. */
  zone: string;
  currency: string | null;
}

export function Steps({ steps, zone, currency }: Props) {
  const words = useStepWords(zone, currency);
  return (
    <ol className={css.steps}>
      {steps.map((step, index) => {
        const { name, text, figure } = words(step);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: the order of the steps is their identity
          <li key={index} data-kind={step.kind}>
            <span className={css.name}>{name}</span>
            <span className={css.text}>{text}</span>
            <span className={css.figure}>{figure}</span>
          </li>
        );
      })}
    </ol>
  );
}
