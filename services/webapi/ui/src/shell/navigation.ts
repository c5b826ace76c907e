/** The pages that there are, in the groups of the side bar. */

import type { MessageDescriptor } from "@lingui/core";
import { msg } from "@lingui/core/macro";
import { CallsIcon, CompletenessIcon, DashboardIcon } from "@/design/icons";

export interface NavigationEntry {
  readonly to: string;
  readonly word: MessageDescriptor;
  readonly icon: typeof CallsIcon;
  /** Pressed after `g`. */
  readonly key: string;
}

export interface NavigationGroup {
  readonly heading: MessageDescriptor;
  readonly entries: readonly NavigationEntry[];
}

export const NAVIGATION: readonly NavigationGroup[] = [
  {
    heading: msg`See`,
    entries: [
      { to: "/", word: msg`Dashboard`, icon: DashboardIcon, key: "d" },
      { to: "/calls", word: msg`Calls`, icon: CallsIcon, key: "c" },
    ],
  },
  {
    heading: msg`Collect`,
    entries: [{ to: "/completeness", word: msg`Completeness`, icon: CompletenessIcon, key: "m" }],
  },
];
