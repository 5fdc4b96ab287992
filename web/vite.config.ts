import { defineConfig } from "vite";

// The service serves what is built here; addresses are relative, so that it may live under any path.
// Nothing is inlined: the page's policy knows no `data:`.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/chatkeep/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licences.md" }, // of what is in the bundle
    target: "es2022",
    chunkSizeWarningLimit: 300,
  },
});
