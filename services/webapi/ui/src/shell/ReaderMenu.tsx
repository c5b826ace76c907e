/** Who is signed in, and what is theirs alone: language, colours, the way out. */
import { useLingui } from "@lingui/react/macro";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { signOut } from "@/api/session";
import type { Me } from "@/api/types";
import type { ColorChoice } from "@/design/colors";
import { PersonIcon, SignOutIcon } from "@/design/icons";
import { useColors } from "@/design/Look";
import { Menu, type MenuGroup } from "@/design/overlays";
import { chooseLanguage, LANGUAGES, type Language } from "@/i18n";
import css from "./ReaderMenu.module.css";

export function ReaderMenu({ me }: { me: Me }) {
  const { t, i18n } = useLingui();
  const queries = useQueryClient();
  const navigate = useNavigate();
  const colors = useColors();
  const words: Record<ColorChoice, string> = {
    system: t`As the system`,
    light: t`Light`,
    dark: t`Dark`,
  };
  const groups: MenuGroup[] = [
    {
      heading: t`Colours`,
      entries: (Object.keys(words) as ColorChoice[]).map((choice) => ({
        label: words[choice],
        chosen: colors.choice === choice,
        onPress: () => colors.choose(choice),
      })),
    },
    {
      heading: t`Language`,
      entries: (Object.keys(LANGUAGES) as Language[]).map((language) => ({
        label: LANGUAGES[language],
        chosen: i18n.locale === language,
        onPress: () => void chooseLanguage(language),
      })),
    },
    {
      entries: [
        {
          label: t`Your account`,
          icon: PersonIcon,
          onPress: () => void navigate({ to: "/settings/me" }),
        },
        {
          label: t`Sign out`,
          icon: SignOutIcon,
          onPress: () => void signOut().finally(() => queries.resetQueries()),
        },
      ],
    },
  ];
  return (
    <div>
      <Menu
        groups={groups}
        label={t`Your settings`}
        className={css.button}
        face={
          <>
            <PersonIcon size={20} stroke={1.75} aria-hidden="true" />
            <span>{me.display_name || me.name}</span>
          </>
        }
      />
    </div>
  );
}
