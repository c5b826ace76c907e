import { Trans, useLingui } from "@lingui/react/macro";
import { useState } from "react";
import { CheckField } from "@/design/controls";
import css from "./KeyList.module.css";
import { keepLetterKeys, letterKeys } from "./keys";
import type { NavigationGroup } from "./pages";

/** The keys of the page, as the `?` dialog shows them. */
export function KeyList({ pages }: { pages: readonly NavigationGroup[] }) {
  const { t, i18n } = useLingui();
  const [letters, setLetters] = useState(letterKeys);
  const keys: readonly (readonly [string, string])[] = [
    ["Ctrl K", t`Go to a page, a person, a number`],
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
    <div className={css.all}>
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
      </dl>
      <CheckField
        label={t`Keys of one letter are on`}
        value={letters}
        onChange={(on) => {
          keepLetterKeys(on);
          setLetters(on);
        }}
      />
      <p>
        <Trans>Keys do nothing while you type in a field.</Trans>
      </p>
    </div>
  );
}
