/**
 * A long list: rows of plain cells, only those near the window drawn; cards where there is no room.
 *
 * `j`, `k` and the arrows move, Enter opens; the row under the keys keeps the focus.
 */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import css from "./DataGrid.module.css";

export interface Column<Row> {
  readonly key: string;
  readonly head: ReactNode;
  /** A track of a CSS grid: `8rem`, `minmax(8rem, 1fr)`. */
  readonly track: string;
  readonly end?: boolean;
  readonly cell: (row: Row) => ReactNode;
}

interface DataGridProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  /** Exact number of rows of the whole list; null = not counted. */
  count: number | null;
  keyOf: (row: Row) => string;
  /** Draws a row as a card of `cardHeight` pixels; null = a row of cells. */
  card: ((row: Row) => ReactNode) | null;
  cardHeight: number;
  onOpen: (row: Row) => void;
  onNearEnd: () => void;
  /** Old rows while new ones are on their way. */
  dimmed: boolean;
}

const ROW_PX = 32;
const TOUCH_ROW_PX = 44;
const NEAR_END = 0.6;
const PAGE = 200;

export function DataGrid<Row>(props: DataGridProps<Row>) {
  const { columns, rows, card, keyOf } = props;
  const list = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const [margin, setMargin] = useState(0);
  useEffect(() => setMargin(list.current?.offsetTop ?? 0), []);
  const rowPx = matchMedia("(pointer: coarse)").matches ? TOUCH_ROW_PX : ROW_PX;
  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => (card === null ? rowPx : props.cardHeight),
    overscan: 12,
    scrollMargin: margin,
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : keyOf(row);
    },
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: cards and rows differ in height
  useEffect(() => virtual.measure(), [card, virtual]);
  const items = virtual.getVirtualItems();
  const lastDrawn = items.at(-1)?.index ?? 0;
  const { onNearEnd } = props;
  useEffect(() => {
    if (rows.length > 0 && lastDrawn >= rows.length - PAGE * (1 - NEAR_END)) {
      onNearEnd();
    }
  }, [lastDrawn, rows.length, onNearEnd]);

  const focusRow = (index: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    setActive(next);
    virtual.scrollToIndex(next);
    requestAnimationFrame(() => {
      list.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus();
    });
  };
  const pressed = (event: KeyboardEvent, index: number, row: Row) => {
    const step = STEPS[event.key];
    if (step !== undefined) {
      event.preventDefault();
      focusRow(index + step);
    } else if (event.key === "Enter" && event.target === event.currentTarget) {
      event.preventDefault();
      props.onOpen(row);
    }
  };
  const template = columns.map((column) => column.track).join(" ");
  return (
    <div
      role="grid"
      aria-label={props.label}
      aria-rowcount={props.count === null ? -1 : props.count + 1}
      aria-colcount={columns.length}
      className={css.grid}
      data-dimmed={props.dimmed}
      data-cards={card !== null}
    >
      <div role="rowgroup" className={css.head}>
        <div
          role="row"
          aria-rowindex={1}
          className={css.row}
          style={{ gridTemplateColumns: template }}
        >
          {columns.map((column) => (
            <span key={column.key} role="columnheader" className={css.cell} data-end={column.end}>
              {column.head}
            </span>
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        ref={list}
        className={css.body}
        style={{ blockSize: `${virtual.getTotalSize()}px` }}
      >
        {items.map((item) => {
          const row = rows[item.index];
          return row === undefined ? null : (
            <div
              key={item.key}
              role="row"
              tabIndex={item.index === active ? 0 : -1}
              aria-rowindex={item.index + 2}
              data-index={item.index}
              className={`${css.row} ${css.open}`}
              style={{
                blockSize: `${item.size}px`,
                transform: `translateY(${item.start - margin}px)`,
                ...(card === null ? { gridTemplateColumns: template } : {}),
              }}
              onFocus={() => setActive(item.index)}
              onKeyDown={(event) => pressed(event, item.index, row)}
              onClick={(event) => {
                if (!(event.target instanceof Element && event.target.closest("a, button"))) {
                  props.onOpen(row);
                }
              }}
            >
              {card === null ? (
                columns.map((column) => (
                  <span key={column.key} role="gridcell" className={css.cell} data-end={column.end}>
                    {column.cell(row)}
                  </span>
                ))
              ) : (
                <span role="gridcell" aria-colspan={columns.length} className={css.card}>
                  {card(row)}
                </span>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const STEPS: Readonly<Record<string, number>> = {
  j: 1,
  ArrowDown: 1,
  k: -1,
  ArrowUp: -1,
  PageDown: 20,
  PageUp: -20,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};
