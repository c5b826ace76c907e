/** Puts the look on the page: the component library with our tokens, the nonce, the colours. */
import { MantineProvider } from "@mantine/core";
import { setNonce } from "get-nonce";
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { type ColorChoice, keepColors, keptColors, shownColors } from "./colors";
import { theme, variablesOfMantine } from "./theme";

interface Colors {
  readonly choice: ColorChoice;
  readonly choose: (choice: ColorChoice) => void;
}

const ColorsContext = createContext<Colors>({ choice: "system", choose: () => {} });

/** The nonce of this answer, as the server writes it into the page. */
function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

/** Give the scroll lock of dialogs the nonce; it writes a style element of its own. */
export function prepareLook(): void {
  setNonce(nonce());
}

export function Look({ children }: { children: ReactNode }) {
  const [choice, setChoice] = useState(keptColors);
  const [shown, setShown] = useState(() => shownColors(choice));
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setShown(shownColors(choice));
    follow();
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, [choice]);
  const choose = (next: ColorChoice) => {
    keepColors(next);
    setChoice(next);
  };
  return (
    <ColorsContext value={{ choice, choose }}>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={variablesOfMantine}
        getStyleNonce={nonce}
        forceColorScheme={shown}
      >
        {children}
      </MantineProvider>
    </ColorsContext>
  );
}

export function useColors(): Colors {
  return useContext(ColorsContext);
}
