/** The language of the page: chosen by the reader, or the browser's. Catalogues load on demand. */
import { i18n, type Messages } from "@lingui/core";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = "bluewhale-language";

const CATALOGUES: Record<Language, () => Promise<{ messages: Messages }>> = {
  en: () => import("./locales/en.po"),
  de: () => import("./locales/de.po"),
};

export function keptLanguage(): Language {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages];
  const found = wanted
    .map((tag) => tag?.slice(0, 2))
    .find((tag) => tag !== undefined && tag in LANGUAGES);
  return (found as Language | undefined) ?? "en";
}

export async function speak(language: Language): Promise<void> {
  const { messages } = await CATALOGUES[language]();
  i18n.loadAndActivate({ locale: language, messages });
  document.documentElement.lang = language;
}

export async function chooseLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEY, language);
  await speak(language);
}
