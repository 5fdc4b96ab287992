import { appendFileSync, readFileSync } from "node:fs";
import hljs from "highlight.js";
import { defineConfig, type Plugin } from "vite";

/** The languages of highlight.js, each in a file of its own that the page loads when some code is in it. */
function codeLanguages(): Plugin {
  const id = "virtual:code-languages";
  const files = hljs.listLanguages();
  const aliases = files.flatMap((file) => (hljs.getLanguage(file)?.aliases ?? []).map((alias) => [alias, file]));
  const names = Object.fromEntries([...aliases, ...files.map((file) => [file, file])].map(([name, file]) => [name!.toLowerCase(), file]));
  const loaders = files.map((file) => `"${file}": () => import("highlight.js/lib/languages/${file}")`);
  return {
    name: "code-languages",
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    load: (path) =>
      path === `\0${id}` ? `export const fileOfName = ${JSON.stringify(names)};\nexport const loaders = {${loaders.join(",\n")}};` : undefined,
  };
}

/** Adds the licence of Mermaid, which comes along as it is and so is not in the bundle. */
const mermaidLicence = (): Plugin => ({
  name: "mermaid-licence",
  writeBundle: ({ dir }) => {
    const licence = readFileSync("node_modules/@mermaid-js/tiny/LICENSE", "utf8");
    appendFileSync(`${dir}/licences.md`, `\n## @mermaid-js/tiny\n\n${licence}`);
  },
});

// The service serves what is built here; addresses are relative, so that it may live under any path.
// Nothing is inlined: the page's policy knows no `data:`.
export default defineConfig({
  base: "./",
  plugins: [codeLanguages(), mermaidLicence()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/chatkeep/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licences.md" }, // of what is in the bundle
    rolldownOptions: {
      input: ["index.html", "diagram.html"],
      // What the page shares with what it loads later is one file, not one for each set of sharers.
      output: { codeSplitting: { groups: [{ name: "shared", test: /src\/.*\.tsx?$|preact/, minShareCount: 2 }] } },
    },
    target: "es2022",
    chunkSizeWarningLimit: 300,
  },
});
