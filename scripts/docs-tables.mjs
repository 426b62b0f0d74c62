// Fills the generated regions of the documentation (tables of the language, help texts, the index of errors) from the built dist/.
// `--check` writes nothing and exits 1 where a page is stale. Run `npm run build` before.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { loadTables } from "./docs-load.mjs";
import { errorIndex, fill, regionNames, renderRegions } from "./docs-render.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");

const tables = await loadTables((path) => import(`../dist/${path}.js`));
const regions = renderRegions(tables);
const pages = readdirSync(join(root, "docs"), { recursive: true })
  .map((path) => `docs/${path}`)
  .filter((path) => path.endsWith(".md") && path !== "docs/errors/README.md");

let stale = 0;
for (const page of ["README.md", ...pages].sort()) {
  const before = readFileSync(join(root, page), "utf8");
  if (regionNames(before).length > 0) await settle(page, fill(before, regions));
}
await settle("docs/errors/README.md", errorIndex(tables.registry));
if (stale > 0) {
  console.error("run `npm run build && node scripts/docs-tables.mjs`");
  process.exitCode = 1;
}

async function settle(page, text) {
  const path = join(root, page);
  const after = await format(text, { ...(await resolveConfig(path)), parser: "markdown" });
  if (existsSync(path) && readFileSync(path, "utf8") === after) return;
  if (check) {
    stale++;
    console.error(`${page} is stale`);
  } else {
    writeFileSync(path, after);
    console.error(`${page} written`);
  }
}
