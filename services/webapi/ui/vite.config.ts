import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { transformAsync } from "@babel/core";
import { lingui } from "@lingui/vite-plugin";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const PAGE = "../src/bluewhale/webapi/page";

/** Turns marked words into messages of the catalogues; only files that mark any are touched. */
function words(): Plugin {
  return {
    name: "words",
    enforce: "pre",
    async transform(code, id) {
      const file = id.split("?")[0] ?? id;
      if (!/\/src\/.*\.tsx?$/.test(file) || !code.includes("@lingui/")) {
        return null;
      }
      const made = await transformAsync(code, {
        filename: file,
        babelrc: false,
        configFile: false,
        sourceMaps: true,
        parserOpts: { plugins: ["typescript", "jsx"] },
        plugins: ["@lingui/babel-plugin-lingui-macro"],
      });
      return made?.code == null ? null : { code: made.code, map: made.map ?? null };
    },
  };
}

/** Puts the colours of the reader on the page before the first paint: a file, since the policy allows no inline script. */
function themeBeforePaint(): Plugin {
  const source = readFileSync(new URL("src/design/theme-boot.js", import.meta.url), "utf8");
  const hash = createHash("sha256").update(source).digest("hex").slice(0, 8);
  const fileName = `assets/theme-${hash}.js`;
  return {
    name: "theme-before-paint",
    apply: "build",
    generateBundle() {
      this.emitFile({ type: "asset", fileName, source });
    },
    transformIndexHtml: () => [
      {
        tag: "script",
        attrs: { src: `/${fileName}`, nonce: "__NONCE__" },
        injectTo: "head-prepend",
      },
    ],
  };
}

/** Writes a .gz and a .br beside each asset, so that the server never compresses them. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle(options) {
      const folder = join(options.dir ?? "", "assets");
      for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
        );
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), lingui({ failOnMissing: true }), words(), themeBeforePaint(), compressed()],
  resolve: { alias: { "@": new URL("src", import.meta.url).pathname } },
  html: { cspNonce: "__NONCE__" },
  build: {
    outDir: PAGE,
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": process.env.BLUEWHALE_API ?? "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.{ts,tsx}"], environment: "node" },
});
