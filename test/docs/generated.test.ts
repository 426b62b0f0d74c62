/** The generated parts of the pages say what the tables of the sources say. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { expect, it } from "vitest";
// @ts-expect-error a script without declarations
import { errorIndex, fill, regionNames, renderRegions } from "../../scripts/docs-render.mjs";
import { pages, root } from "./pages.js";
import { tables } from "./tables.js";

const fresh = "run `npm run build && node scripts/docs-tables.mjs`";

async function formatted(path: string, text: string): Promise<string> {
  return format(text, { ...(await resolveConfig(join(root, path))), parser: "markdown" });
}

const withRegions = pages.filter((p) => (regionNames as (text: string) => string[])(p.text).length > 0);

it("has generated regions", () => {
  expect(withRegions.map((p) => p.path)).toEqual(expect.arrayContaining(["docs/language.md", "docs/cli.md"]));
});

it.each(withRegions.map((p) => p.path))("%s is fresh", async (path) => {
  const before = readFileSync(join(root, path), "utf8");
  const filled = (fill as (text: string, regions: unknown) => string)(before, (renderRegions as (t: unknown) => unknown)(await tables));
  expect(await formatted(path, filled), fresh).toBe(before);
});

it("docs/errors/README.md is fresh", async () => {
  const path = "docs/errors/README.md";
  const text = (errorIndex as (registry: unknown) => string)((await tables).registry);
  expect(await formatted(path, text), fresh).toBe(readFileSync(join(root, path), "utf8"));
});
