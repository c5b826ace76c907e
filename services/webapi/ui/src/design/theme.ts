import { type CSSVariablesResolver, createTheme } from "@mantine/core";

/** Mantine draws with our tokens: whatever it names on its own is pointed at one of ours. */
export const theme = createTheme({
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--mono)",
  fontSizes: {
    xs: "var(--type-12)",
    sm: "var(--type-13)",
    md: "var(--type-14)",
    lg: "var(--type-16)",
    xl: "var(--type-20)",
  },
  defaultRadius: "var(--radius)",
  cursorType: "pointer",
  respectReducedMotion: true,
});

const variables = {
  "--mantine-color-body": "var(--bg)",
  "--mantine-color-text": "var(--text)",
  "--mantine-color-dimmed": "var(--muted)",
  "--mantine-color-placeholder": "var(--muted)",
  "--mantine-color-anchor": "var(--accent)",
  "--mantine-color-error": "var(--bad)",
  "--mantine-color-default": "var(--bg)",
  "--mantine-color-default-hover": "var(--hover)",
  "--mantine-color-default-color": "var(--text)",
  "--mantine-color-default-border": "var(--control-border)",
  "--mantine-color-disabled": "var(--surface)",
  "--mantine-color-disabled-color": "var(--muted)",
  "--mantine-color-disabled-border": "var(--line)",
  "--mantine-primary-color-filled": "var(--accent)",
  "--mantine-primary-color-filled-hover": "var(--accent-hover)",
  "--mantine-primary-color-contrast": "var(--on-accent)",
  "--mantine-primary-color-light": "var(--accent-tint)",
  "--mantine-primary-color-light-color": "var(--accent)",
};

export const variablesOfMantine: CSSVariablesResolver = () => ({
  variables: {},
  light: variables,
  dark: variables,
});
