/** The frame of every page: navigation, search, the reader's menu. */
import { useLingui } from "@lingui/react/macro";
import { Link, useNavigate } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense, useMemo, useRef, useState } from "react";
import type { Me } from "@/api/types";
import { Dialog } from "@/design/Dialog";
import { AlertsBell } from "./AlertsBell";
import css from "./AppShell.module.css";
import { JobRing } from "./JobRing";
import { KeyList } from "./KeyList";
import { useKeys } from "./keys";
import { Navigation } from "./Navigation";
import { navigationOf } from "./pages";
import { ReaderMenu } from "./ReaderMenu";
import { SearchField } from "./SearchField";

const Palette = lazy(async () => ({ default: (await import("./Palette")).Palette }));

export function AppShell({ me, children }: { me: Me; children: ReactNode }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const search = useRef<HTMLInputElement>(null);
  const [keysShown, showKeys] = useState(false);
  const [paletteShown, showPalette] = useState(false);
  const pages = useMemo(
    () => navigationOf((permission) => me.permissions.includes(permission)),
    [me.permissions],
  );
  const keys = useMemo(() => {
    const jumps = pages
      .flatMap((group) => group.entries)
      .map((entry) => [`g ${entry.key}`, () => void navigate({ to: entry.to })]);
    return {
      ...Object.fromEntries(jumps),
      "/": () => search.current?.select(),
      "?": () => showKeys(true),
      "mod k": () => showPalette(true),
    };
  }, [navigate, pages]);
  useKeys(keys);
  return (
    <div className={css.shell}>
      <button type="button" className={css.skip} onClick={skipToContent}>
        {t`To the content`}
      </button>
      <header className={css.top} data-print="no">
        <Link to="/" className={css.brand} aria-label={t`Bluewhale, dashboard`}>
          <img
            src={new URL("../design/whale.svg", import.meta.url).href}
            alt=""
            width="24"
            height="24"
          />
          <span>Bluewhale</span>
        </Link>
        <SearchField ref={search} />
        <div className={css.right}>
          <JobRing />
          <AlertsBell />
          <ReaderMenu me={me} />
        </div>
      </header>
      <Navigation pages={pages} />
      <main id="content" className={css.main} tabIndex={-1}>
        {children}
      </main>
      {paletteShown ? (
        <Suspense fallback={null}>
          <Palette pages={pages} onClose={() => showPalette(false)} />
        </Suspense>
      ) : null}
      <Dialog open={keysShown} onClose={() => showKeys(false)} title={t`Keys`}>
        <KeyList pages={pages} />
      </Dialog>
    </div>
  );
}

/** A button, not a link: the fragment of an address belongs to the filter. */
function skipToContent() {
  document.getElementById("content")?.focus();
}
