/** What lies over the page beside its button: lists of actions and small forms. */
import { Popover as MantinePopover } from "@mantine/core";
import { type ComponentType, type ReactNode, useState } from "react";
import type { IconProps } from "./controls";
import { ChosenIcon } from "./icons";
import css from "./overlays.module.css";

interface PopoverProps {
  /** What the button shows. */
  face: ReactNode;
  className: string | undefined;
  label: string;
  disabled?: boolean;
  /** Gets the way to close it. */
  children: (close: () => void) => ReactNode;
}

/** A button that opens something small; keys stay in it until it is closed. */
export function Popover({ face, className, label, disabled = false, children }: PopoverProps) {
  const [open, setOpen] = useState(false);
  return (
    <MantinePopover
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      trapFocus
      returnFocus
      classNames={{ dropdown: css.dropdown ?? "" }}
    >
      <MantinePopover.Target>
        <button
          type="button"
          className={className}
          disabled={disabled}
          onClick={() => setOpen(!open)}
        >
          {face}
        </button>
      </MantinePopover.Target>
      <MantinePopover.Dropdown aria-label={label}>
        {children(() => setOpen(false))}
      </MantinePopover.Dropdown>
    </MantinePopover>
  );
}

export interface MenuEntry {
  readonly label: string;
  readonly onPress: () => void;
  readonly chosen?: boolean;
  readonly icon?: ComponentType<IconProps>;
}

export interface MenuGroup {
  readonly heading?: string;
  readonly entries: readonly MenuEntry[];
}

/** Actions or choices behind a button; a choice says whether it is the one that holds. */
export function Menu({
  groups,
  ...button
}: Omit<PopoverProps, "children"> & { groups: readonly MenuGroup[] }) {
  return (
    <Popover {...button}>
      {(close) =>
        groups.map((group, index) => (
          <div key={group.heading ?? index} className={css.group}>
            {group.heading === undefined ? null : <p className={css.heading}>{group.heading}</p>}
            {group.entries.map((entry) => (
              <button
                key={entry.label}
                type="button"
                className={css.entry}
                {...(entry.chosen === undefined ? {} : { "aria-pressed": entry.chosen })}
                onClick={() => {
                  close();
                  entry.onPress();
                }}
              >
                {entry.icon === undefined ? null : (
                  <entry.icon size={16} stroke={1.75} aria-hidden="true" />
                )}
                <span>{entry.label}</span>
                {entry.chosen === true ? <ChosenIcon size={16} aria-hidden="true" /> : null}
              </button>
            ))}
          </div>
        ))
      }
    </Popover>
  );
}
