/** The parts that every page is made of: head, panels, tabs, facts. */
import type { ReactNode } from "react";
import { useEffect, useId, useRef } from "react";
import css from "./Page.module.css";

/** Title of a page; takes the focus when the page is opened, so that it is read out. */
export function PageHead({
  title,
  children,
  aside,
}: {
  title: ReactNode;
  children?: ReactNode;
  aside?: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const text = heading.current?.textContent ?? "";
    document.title = `${text} · Bluewhale`;
  });
  useEffect(() => {
    if (document.activeElement === null || document.activeElement === document.body) {
      heading.current?.focus({ preventScroll: true });
    }
  }, []);
  return (
    <header className={css.head}>
      <div className={css.title}>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {aside === undefined ? null : (
          <div className={css.aside} data-print="no">
            {aside}
          </div>
        )}
      </div>
      {children}
    </header>
  );
}

export function Panel({
  title,
  aside,
  children,
  flush = false,
}: {
  title: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
  flush?: boolean;
}) {
  const heading = useId();
  return (
    <section className={css.panel} aria-labelledby={heading}>
      <div className={css.panelHead}>
        <h2 id={heading}>{title}</h2>
        {aside}
      </div>
      <div className={flush ? css.flush : css.panelBody}>{children}</div>
    </section>
  );
}

export interface Fact {
  readonly name: string;
  readonly value: ReactNode;
}

/** Names with their values, as many columns as fit. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl className={css.facts}>
      {facts.map(({ name, value }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
