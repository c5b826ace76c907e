import { Trans, useLingui } from "@lingui/react/macro";
import css from "./KeyList.module.css";
import type { NavigationGroup } from "./pages";

/** The keys of the page, as the `?` dialog shows them. */
export function KeyList({ pages }: { pages: readonly NavigationGroup[] }) {
  const { t, i18n } = useLingui();
  const keys: readonly (readonly [string, string])[] = [
    ["/", t`Search`],
    ...pages
      .flatMap((group) => group.entries)
      .map((entry) => [`g ${entry.key}`, i18n._(entry.word)] as const),
    ["j k", t`Next and previous row`],
    ["Enter", t`Open the row`],
    ["1 – 4", t`Tabs of a call`],
    ["?", t`These keys`],
  ];
  return (
    <dl className={css.keys}>
      {keys.map(([key, meaning]) => (
        <div key={key}>
          <dt>
            {key.split(" ").map((part) => (
              <kbd key={part}>{part}</kbd>
            ))}
          </dt>
          <dd>{meaning}</dd>
        </div>
      ))}
      <p>
        <Trans>Keys do nothing while you type in a field.</Trans>
      </p>
    </dl>
  );
}
