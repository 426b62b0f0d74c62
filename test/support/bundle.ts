/** Bundles a TypeScript entry to one .mjs file, so that a test can run it in a process of its own. */
import { build } from "vite";

/** Writes `name.mjs` into `folder` and gives its path. npm packages stay imports. */
export async function bundle(entry: string, folder: string, name: string): Promise<string> {
  await build({
    configFile: false,
    logLevel: "error",
    build: {
      ssr: entry,
      outDir: folder,
      emptyOutDir: false,
      minify: false,
      target: "node20",
      rollupOptions: { output: { entryFileNames: `${name}.mjs`, format: "es" } },
    },
  });
  return `${folder}/${name}.mjs`;
}
