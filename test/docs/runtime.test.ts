/** The scripts of docs/runtime.md run as they stand, on the model that stands above them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { compile } from "../../src/compile.js";
import { blocksOf, pages, root } from "./pages.js";

mkdirSync(join(root, ".tmp"), { recursive: true });
// inside the project, so that `gmc/node` means its sources
const folder = mkdtempSync(join(root, ".tmp", "docs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("docs/runtime.md", async () => {
  const blocks = pages.filter((p) => p.path === "docs/runtime.md").flatMap(blocksOf);
  const model = blocks.find((b) => b.info === "gm")?.text ?? "";
  writeFileSync(join(folder, "mixture.gm.js"), compile({ path: "mixture.gm", text: model }).print("js"));
  const scripts = blocks
    .filter((b) => b.info === "js run")
    .map((b) => b.text.replaceAll('"trained/mixture"', JSON.stringify(join(folder, "trained"))));
  expect(scripts.length).toBeGreaterThan(1);
  writeFileSync(join(folder, "script.js"), scripts.join("\n"));
  const printed: unknown[][] = [];
  const spy = vi.spyOn(console, "log").mockImplementation((...args) => void printed.push(args));
  try {
    await import(/* @vite-ignore */ join(folder, "script.js"));
  } finally {
    spy.mockRestore();
  }
  const lines = printed.filter((args) => typeof args[0] !== "string");
  const [nll, error] = lines[0] as [number, number];
  expect(nll).toBeGreaterThan(0);
  expect(nll).toBeLessThan(4);
  expect(error).toBeGreaterThan(0);
  expect(lines[1]).toEqual([[10, 2]]);
  expect(lines[2]?.[0]).toEqual([3, 2]);
  const score = [...(lines[3]?.[0] as Float32Array)];
  expect(score.length).toBe(2);
  expect(score.every((v) => Number.isFinite(v) && v > -20)).toBe(true);
  expect(lines[4]).toEqual([[3]]);
  expect(readFileSync(join(folder, "script.js"), "utf8")).toContain("gmc/node");
});
