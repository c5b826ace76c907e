import { useLingui } from "@lingui/react/macro";
import { Link, useLocation, useNavigate } from "@tanstack/react-router";
import { MoreIcon } from "@/design/icons";
import { Menu } from "@/design/overlays";
import css from "./Navigation.module.css";
import type { NavigationEntry, NavigationGroup } from "./pages";
import { useRoom } from "./screen";

const BAR_ENTRIES_MAX = 5;
/** What is looked at on the way; everything else is behind "More". */
const FIRST_ON_PHONES = ["/", "/calls", "/alerts", "/completeness"];

/** The side bar; on a phone a bar below, with what does not fit behind "More". */
export function Navigation({ pages }: { pages: readonly NavigationGroup[] }) {
  const { t, i18n } = useLingui();
  const room = useRoom();
  const entries = pages.flatMap((group) => group.entries);
  return (
    <nav className={css.navigation} aria-label={t`Pages`} data-print="no">
      {room === "phone" ? (
        <Bar entries={entries} />
      ) : (
        pages.map((group) => (
          <div key={group.entries[0]?.to} className={css.group}>
            <h2 className={css.heading}>{i18n._(group.heading)}</h2>
            <ul>
              {group.entries.map((entry) => (
                <Entry key={entry.to} entry={entry} />
              ))}
            </ul>
          </div>
        ))
      )}
    </nav>
  );
}

function isAt(pathname: string, to: string): boolean {
  return to === "/" ? pathname === "/" : pathname.startsWith(to);
}

function Bar({ entries: all }: { entries: readonly NavigationEntry[] }) {
  const { t, i18n } = useLingui();
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const first = FIRST_ON_PHONES.flatMap((to) => all.filter((entry) => entry.to === to));
  const entries = [...first, ...all.filter((entry) => !first.includes(entry))];
  const shown = entries.length <= BAR_ENTRIES_MAX ? entries.length : BAR_ENTRIES_MAX - 1;
  return (
    <ul className={css.bar}>
      {entries.slice(0, shown).map((entry) => (
        <Entry key={entry.to} entry={entry} />
      ))}
      {shown === entries.length ? null : (
        <li data-here={!entries.slice(0, shown).some((entry) => isAt(pathname, entry.to))}>
          <Menu
            groups={[
              {
                entries: entries.slice(shown).map((entry) => ({
                  label: i18n._(entry.word),
                  icon: entry.icon,
                  onPress: () => void navigate({ to: entry.to }),
                })),
              },
            ]}
            label={t`More`}
            className={css.entry}
            face={
              <>
                <MoreIcon size={20} stroke={1.75} aria-hidden="true" />
                <span>{t`More`}</span>
              </>
            }
          />
        </li>
      )}
    </ul>
  );
}

function Entry({ entry }: { entry: NavigationEntry }) {
  const { i18n } = useLingui();
  return (
    <li>
      <Link
        to={entry.to}
        className={css.entry}
        activeOptions={{ exact: entry.to === "/", includeSearch: false }}
        title={i18n._(entry.word)}
      >
        <entry.icon size={20} stroke={1.75} aria-hidden="true" />
        <span>{i18n._(entry.word)}</span>
      </Link>
    </li>
  );
}
