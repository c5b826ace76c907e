/** One field for everything: pages, actions, people, numbers, ids. Loaded when it is first opened. */
import { useLingui } from "@lingui/react/macro";
import { useRouter } from "@tanstack/react-router";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { EnterIcon, SearchIcon } from "@/design/icons";
import css from "./Palette.module.css";
import type { NavigationGroup } from "./pages";
import { noteUsed, type PaletteEntry } from "./palette-entries";
import { usePaletteEntries } from "./usePaletteEntries";

export function Palette({
  pages,
  onClose,
}: {
  pages: readonly NavigationGroup[];
  onClose: () => void;
}) {
  const { t } = useLingui();
  const router = useRouter();
  const list = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const entries = usePaletteEntries(typed, pages);
  const chosen = Math.min(at, entries.length - 1);
  useEffect(() => {
    dialog.current?.showModal();
    field.current?.focus();
  }, []);
  useEffect(() => {
    document.getElementById(`${list}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [list, chosen]);
  const open = (entry: PaletteEntry, apart: boolean) => {
    if (entry.id !== null) {
      noteUsed(entry.id);
    }
    const place = { to: entry.to, search: entry.search ?? {}, hash: entry.hash ?? "" };
    onClose();
    if (apart) {
      window.open(router.buildLocation(place).href, "_blank", "noopener");
    } else {
      void router.navigate(place);
    }
  };
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const entry = entries[chosen];
    if (step !== undefined && entries.length > 0) {
      event.preventDefault();
      setAt((chosen + step + entries.length) % entries.length);
    } else if (event.key === "Enter" && entry !== undefined) {
      event.preventDefault();
      open(entry, event.ctrlKey || event.metaKey);
    }
  };
  return (
    <dialog
      ref={dialog}
      className={css.palette}
      aria-label={t`Go to`}
      onClose={onClose}
      onPointerDown={(event) => {
        if (event.target === dialog.current) {
          onClose();
        }
      }}
    >
      <div className={css.field}>
        <SearchIcon size={18} stroke={1.75} aria-hidden="true" />
        <input
          ref={field}
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls={list}
          aria-autocomplete="list"
          aria-activedescendant={entries.length === 0 ? undefined : `${list}-${chosen}`}
          aria-label={t`Page, action, person, number`}
          placeholder={t`Page, action, person, number`}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={pressed}
          autoComplete="off"
          spellCheck={false}
        />
      </div>
      <div id={list} role="listbox" aria-label={t`What fits`} className={css.list}>
        {entries.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are those of the field
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: the list is made anew with each letter
            key={index}
            id={`${list}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            className={css.entry}
            onPointerMove={() => setAt(index)}
            onClick={(event) => open(entry, event.ctrlKey || event.metaKey)}
          >
            <span className={css.label} dir="auto">
              {entry.label}
            </span>
            <span className={css.group}>{entry.group}</span>
            {index === chosen ? <EnterIcon size={16} aria-hidden="true" /> : null}
          </div>
        ))}
      </div>
      {entries.length === 0 ? <p className={css.none}>{t`Nothing fits`}</p> : null}
      <p className={css.help}>{t`> actions, @ people, # ids of calls and jobs`}</p>
    </dialog>
  );
}
