// Builds dist/ from src/: JavaScript, declarations, source maps, and the files beside the sources that are not TypeScript.
// Types are checked by `npm run types`; here they are only stripped, so that an install stays quick.
// The new dist replaces the old one at the end, so a failed build leaves the old one in place.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));
const next = join(root, `.dist-${process.pid}`);
const dist = join(root, "dist");
// tests build again where a source is newer than the moment at which the last build began to read them
const stamp = join(root, ".tmp", "built");
const began = new Date();
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");

try {
  const args = [tsc, "-p", join(root, "tsconfig.json"), "--noCheck", "--incremental", "false", "--outDir", next];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", cwd: root });
  if (status !== 0) process.exit(status ?? 1);
  copyOthers(join(root, "src"));
  await bundleCli();
  const bin = join(next, "cli", "main.js");
  if (existsSync(bin)) chmodSync(bin, 0o755);
  const old = `${next}-old`;
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(next, dist);
  rmSync(old, { recursive: true, force: true });
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, began, began);
} finally {
  rmSync(next, { recursive: true, force: true });
}

/**
 * The command line with the compiler in it as a few files in place of 150: to find and link that many modules takes longer than to compile a
 * model. Packages and the runtime stay outside: the runtime that trains a model is the one that programs import.
 */
async function bundleCli() {
  const source = join(root, "src", "cli");
  const outside = {
    name: "outside",
    resolveId(id, importer) {
      if (importer === undefined) return undefined;
      // one small function of a package: to find its modules at every start takes longer than to run it
      if (id.startsWith("@noble/hashes/") || importer.includes("@noble")) return undefined;
      if (!id.startsWith(".")) return { id, external: true };
      const path = resolve(dirname(importer), id);
      return path.startsWith(join(root, "src", "runtime") + sep)
        ? { id: relative(source, path).split(sep).join("/"), external: true }
        : undefined;
    },
  };
  const bundle = await rolldown({
    input: join(source, "main.ts"),
    platform: "node",
    resolve: { extensionAlias: { ".js": [".ts"] } },
    plugins: [outside],
  });
  rmSync(join(next, "cli"), { recursive: true });
  await bundle.write({ dir: join(next, "cli"), format: "esm", sourcemap: true, chunkFileNames: "[name].js" });
  await bundle.close();
}

function copyOthers(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) copyOthers(path);
    else if ([".json", ".wasm", ".gm"].includes(extname(entry.name))) {
      const to = join(next, relative(join(root, "src"), path));
      mkdirSync(dirname(to), { recursive: true });
      cpSync(path, to);
    }
  }
}
