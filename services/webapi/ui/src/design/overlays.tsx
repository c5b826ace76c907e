/** What lies over the page: menus, panels at a button, sheets, dialogs. */
import { Drawer, Menu as MantineMenu, Popover as MantinePopover, Modal } from "@mantine/core";
import { type ComponentType, type ReactNode, useState } from "react";
import type { IconProps } from "./controls";
import { ChosenIcon } from "./icons";
import css from "./overlays.module.css";

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

/** A list of actions or choices behind a button. */
export function Menu({ trigger, groups }: { trigger: ReactNode; groups: readonly MenuGroup[] }) {
  return (
    <MantineMenu position="bottom-end" classNames={{ dropdown: css.dropdown ?? "" }}>
      <MantineMenu.Target>{trigger}</MantineMenu.Target>
      <MantineMenu.Dropdown>
        {groups.map((group, index) => (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset is no child of a menu
          <div
            key={group.heading ?? index}
            role="group"
            aria-label={group.heading}
            className={css.group}
          >
            {group.heading === undefined ? null : (
              <p className={css.heading} aria-hidden="true">
                {group.heading}
              </p>
            )}
            {group.entries.map((entry) =>
              entry.chosen === undefined ? (
                <MantineMenu.Item
                  key={entry.label}
                  className={css.entry ?? ""}
                  onClick={entry.onPress}
                  leftSection={
                    entry.icon === undefined ? null : (
                      <entry.icon size={16} stroke={1.75} aria-hidden="true" />
                    )
                  }
                >
                  {entry.label}
                </MantineMenu.Item>
              ) : (
                <MantineMenu.RadioItem
                  key={entry.label}
                  className={css.entry ?? ""}
                  value={entry.label}
                  checked={entry.chosen}
                  onChange={entry.onPress}
                  checkIcon={<ChosenIcon size={16} aria-hidden="true" />}
                  closeMenuOnClick
                >
                  {entry.label}
                </MantineMenu.RadioItem>
              ),
            )}
          </div>
        ))}
      </MantineMenu.Dropdown>
    </MantineMenu>
  );
}

/** A small form at a button; `children` gets the way to close it. */
export function Popover({
  face,
  className,
  label,
  children,
}: {
  /** What the button shows. */
  face: ReactNode;
  className: string | undefined;
  label: string;
  children: (close: () => void) => ReactNode;
}) {
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
        <button type="button" className={className} onClick={() => setOpen(!open)}>
          {face}
        </button>
      </MantinePopover.Target>
      <MantinePopover.Dropdown aria-label={label}>
        <div className={css.form}>{children(() => setOpen(false))}</div>
      </MantinePopover.Dropdown>
    </MantinePopover>
  );
}

/** A sheet from below, for phones. */
export function Sheet({
  open,
  onClose,
  title,
  children,
}: {
  open: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
}) {
  return (
    <Drawer opened={open} onClose={onClose} title={title} position="bottom" size="auto">
      {children}
    </Drawer>
  );
}

export function Dialog({
  open,
  onClose,
  title,
  children,
}: {
  open: boolean;
  onClose?: () => void;
  title: string;
  children: ReactNode;
}) {
  return (
    <Modal
      opened={open}
      onClose={() => onClose?.()}
      title={title}
      centered
      withCloseButton={onClose !== undefined}
      closeOnEscape={onClose !== undefined}
      closeOnClickOutside={onClose !== undefined}
    >
      {children}
    </Modal>
  );
}
