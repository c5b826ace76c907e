import { defineConfig } from "@lingui/cli";
import { formatter } from "@lingui/format-po";

export default defineConfig({
  sourceLocale: "en",
  locales: ["en", "de"],
  // WORDS: another folder, to compare with (npm run words)
  catalogs: [
    { path: `${process.env.WORDS ?? "<rootDir>/src/locales"}/{locale}`, include: ["src"] },
  ],
  format: formatter({ lineNumbers: false, origins: false }),
});
