import { useLingui } from "@lingui/react/macro";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./controls";
import css from "./Dialog.module.css";
import { CloseIcon } from "./icons";

/** A dialog over the page; without `onClose` it stays until its work is done. */
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
  const { t } = useLingui();
  const heading = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) {
      dialog.current?.showModal();
    } else {
      dialog.current?.close();
    }
  }, [open]);
  return (
    <dialog
      ref={dialog}
      className={css.dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        if (onClose === undefined) {
          event.preventDefault();
        }
      }}
      onClose={() => onClose?.()}
    >
      {open ? (
        <>
          <div className={css.head}>
            <h2 id={heading}>{title}</h2>
            {onClose === undefined ? null : (
              <IconButton icon={CloseIcon} name={t`Close`} onPress={onClose} />
            )}
          </div>
          {children}
        </>
      ) : null}
    </dialog>
  );
}
