/** Run folders that the shell lines of a page read are those that its lines before them wrote. */
import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { blocksOf, errorPages, type Page, pages } from "./pages.js";

const readers = ["eval", "sample", "reconstruct", "interpolate", "filters", "topics", "resume"];

/** What is wrong with the lines, in their order; a model trained again goes into a folder with a number. */
function misnamed(lines: readonly string[]): readonly string[] {
  /** For each model what its last training wrote, and how many took the folder of its name. */
  const last = new Map<string, string>();
  const taken = new Map<string, number>();
  const wrong: string[] = [];
  for (const line of lines) {
    const [, command = "", rest = ""] = /^(?:npx )?gmc (\w+)\s+(.*)$/u.exec(line.replace(/\s+#.*$/u, "")) ?? [];
    const [, first = ""] = /^(\S+)/u.exec(rest) ?? [];
    if (command === "train") {
      const model = basename(first, ".gm");
      const [, out] = /--out (\S+)/u.exec(rest) ?? [];
      const count = (taken.get(model) ?? 0) + (out === undefined ? 1 : 0);
      taken.set(model, count);
      last.set(model, out ?? (count === 1 ? `runs/${model}` : `runs/${model}-${count}`));
    } else if (readers.includes(command) && first.startsWith("runs/") && ![...last.values()].includes(first)) wrong.push(line);
  }
  return wrong;
}

const linesOf = (page: Page): readonly string[] =>
  blocksOf(page)
    .filter((b) => b.info === "sh")
    .flatMap((b) => b.text.split("\n"));

// an error's page begins where the reader has a run
const withRuns = pages.filter((p) => !errorPages.includes(p) && linesOf(p).some((line) => line.includes("runs/")));

describe("run folders in the lines of a page", () => {
  it("are those of the last training of a model before them", () => {
    expect(misnamed(["npx gmc train a/vae.gm", "npx gmc sample runs/vae  # samples"])).toEqual([]);
    expect(misnamed(["npx gmc train vae.gm", "npx gmc train vae.gm --set Z=2", "gmc sample runs/vae"])).toEqual(["gmc sample runs/vae"]);
    expect(misnamed(["npx gmc train vae.gm", "npx gmc train vae.gm --out runs/two", "gmc sample runs/two"])).toEqual([]);
    expect(misnamed(["gmc eval runs/vae"])).toEqual(["gmc eval runs/vae"]);
  });

  it.each(withRuns.map((p) => [p.path, p] as const))("%s", (_, page) => {
    expect(misnamed(linesOf(page))).toEqual([]);
  });
});
