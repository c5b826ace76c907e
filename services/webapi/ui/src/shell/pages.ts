/** The pages that there are, in the groups of the side bar. */

import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import {
  AlertsIcon,
  CallsIcon,
  CompletenessIcon,
  DashboardIcon,
  DirectoryIcon,
  JobsIcon,
  ReportsIcon,
  ServerIcon,
  SettingsIcon,
  SuspenseIcon,
  TariffsIcon,
  TryIcon,
  UnitsIcon,
  WorkshopIcon,
} from "@/design/icons";
import type { Permission } from "./permissions";

export interface NavigationEntry {
  readonly to: string;
  readonly word: MessageDescriptor;
  readonly icon: typeof CallsIcon;
  /** Pressed after `g`. */
  readonly key: string;
  /** Who has none of these never sees the page. */
  readonly needs: Permission | readonly Permission[];
}

export interface NavigationGroup {
  readonly heading: MessageDescriptor;
  readonly entries: readonly NavigationEntry[];
}

const NAVIGATION: readonly NavigationGroup[] = [
  {
    heading: msg`See`,
    entries: [
      { to: "/", word: msg`Dashboard`, icon: DashboardIcon, key: "d", needs: "calls.see" },
      { to: "/calls", word: msg`Calls`, icon: CallsIcon, key: "c", needs: "calls.see" },
      { to: "/reports", word: msg`Reports`, icon: ReportsIcon, key: "r", needs: "reports.see" },
    ],
  },
  {
    heading: msg`Price`,
    entries: [
      {
        to: "/tariffs",
        word: msg`Price lists`,
        icon: TariffsIcon,
        key: "t",
        needs: "tariffs.see",
      },
      { to: "/try", word: msg`Try a number`, icon: TryIcon, key: "n", needs: "tariffs.see" },
    ],
  },
  {
    heading: msg`Collect`,
    entries: [
      {
        to: "/completeness",
        word: msg`Completeness`,
        icon: CompletenessIcon,
        key: "m",
        needs: "completeness.see",
      },
      {
        to: "/suspense",
        word: msg`Suspense`,
        icon: SuspenseIcon,
        key: "s",
        needs: "suspense.see",
      },
      { to: "/units", word: msg`Units`, icon: UnitsIcon, key: "u", needs: "units.see" },
      {
        to: "/workshop",
        word: msg`Workshop`,
        icon: WorkshopIcon,
        key: "w",
        needs: "suspense.see",
      },
    ],
  },
  {
    heading: msg`Run`,
    entries: [
      { to: "/alerts", word: msg`Alerts`, icon: AlertsIcon, key: "a", needs: "alerts.see" },
      { to: "/jobs", word: msg`Jobs`, icon: JobsIcon, key: "j", needs: "jobs.see" },
      {
        to: "/directory",
        word: msg`Directory`,
        icon: DirectoryIcon,
        key: "o",
        needs: "directory.see",
      },
      {
        to: "/settings",
        word: msg`Settings`,
        icon: SettingsIcon,
        key: "p",
        needs: ["users.manage", "audit.see"],
      },
      { to: "/server", word: msg`Server`, icon: ServerIcon, key: "v", needs: "server.see" },
    ],
  },
];

/** Give the pages of who may do this. */
export function navigationOf(may: (permission: Permission) => boolean): NavigationGroup[] {
  return NAVIGATION.map((group) => ({
    ...group,
    entries: group.entries.filter((entry) => [entry.needs].flat().some((one) => may(one))),
  })).filter((group) => group.entries.length > 0);
}
