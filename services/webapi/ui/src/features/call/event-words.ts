import { useLingui } from "@lingui/react/macro";
import { useFormats } from "@/design/formats";
import type { EventKind, LadderEvent } from "./layout-ladder";

/** Give the words for an event of the ladder, with its length where it has one. */
export function useEventWords(): (event: LadderEvent) => string {
  const { t } = useLingui();
  const { duration } = useFormats();
  const words: Record<EventKind, string> = {
    dial: t`dials`,
    transfer: t`transferred to`,
    forward: t`forwarded to`,
    ring: t`rings`,
    talk: t`talk`,
    release: t`ends`,
    unanswered: t`no answer`,
  };
  return (event) =>
    event.ms === null ? words[event.kind] : `${words[event.kind]} ${duration(event.ms)}`;
}
