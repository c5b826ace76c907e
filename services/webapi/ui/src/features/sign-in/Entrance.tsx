import type { ReactNode } from "react";
import whale from "@/design/whale.svg";
import css from "./sign-in.module.css";

/** The frame of what is shown before anybody is signed in. */
export function Entrance({ title, children }: { title?: string; children: ReactNode }) {
  return (
    <main className={css.entrance}>
      <div className={css.box}>
        <div className={css.brand}>
          <img src={whale} alt="" width="32" height="32" />
          <span>Bluewhale</span>
        </div>
        {title === undefined ? null : <h1>{title}</h1>}
        {children}
      </div>
    </main>
  );
}
