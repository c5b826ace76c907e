import type { ReactNode } from "react";
import { BadIcon, OffIcon, OkIcon, WarnIcon } from "./icons";
import css from "./Status.module.css";

export type Level = "ok" | "warn" | "bad" | "off";

const ICONS = { ok: OkIcon, warn: WarnIcon, bad: BadIcon, off: OffIcon };

/** A state: icon, word and colour together, never colour alone. */
export function Status({ level, children }: { level: Level; children: ReactNode }) {
  const Icon = ICONS[level];
  return (
    <span className={`${css.status} ${css[level]}`}>
      <Icon size="1.15em" stroke={2} aria-hidden="true" />
      <span>{children}</span>
    </span>
  );
}
