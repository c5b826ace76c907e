/** The one search field: digits are a number, words are text; Enter opens the calls. */
import { useLingui } from "@lingui/react/macro";
import { useLocation } from "@tanstack/react-router";
import { type Ref, useEffect, useState } from "react";
import { CloseIcon, SearchIcon } from "@/design/icons";
import { firstOf, typed, without } from "@/scope/grammar";
import { useOpenScope, useScope } from "@/scope/use-scope";
import css from "./SearchField.module.css";

export function SearchField({ ref }: { ref: Ref<HTMLInputElement> }) {
  const { t } = useLingui();
  const scope = useScope();
  const openScope = useOpenScope();
  const onCalls = useLocation({ select: (location) => location.pathname === "/calls" });
  const said = onCalls ? (firstOf(scope, "number") ?? firstOf(scope, "text", "~=") ?? "") : "";
  const [text, setText] = useState(said);
  useEffect(() => setText(said), [said]);
  const search = (words: string) => {
    const rest = onCalls ? without(scope, "number", "text") : [];
    const term = typed(words);
    openScope(term === null ? rest : [...rest, term]);
  };
  return (
    <search className={css.search}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          search(text);
        }}
      >
        <SearchIcon size={16} stroke={1.75} aria-hidden="true" />
        <input
          ref={ref}
          type="text"
          aria-label={t`Search calls`}
          placeholder={t`Number, name or extension`}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
          enterKeyHint="search"
        />
        {text === "" ? (
          <span className={css.key} aria-hidden="true">
            /
          </span>
        ) : (
          <button
            type="button"
            aria-label={t`Clear the search`}
            onClick={() => {
              setText("");
              if (said !== "") {
                search("");
              }
            }}
          >
            <CloseIcon size={16} aria-hidden="true" />
          </button>
        )}
      </form>
    </search>
  );
}
