/**
 * Golden files: expected output, kept beside what it comes from, compared byte for byte.
 * `UPDATE_GOLDEN=1 npx vitest run …` writes them; in CI nothing is ever written.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const testRoot = fileURLToPath(new URL("..", import.meta.url));

const updating = process.env["UPDATE_GOLDEN"] === "1" && !process.env["CI"];

/** Expects `actual` to be the text of a golden file; the path is relative to `test/`. */
export function expectGolden(path: string, actual: string): void {
  const file = join(testRoot, path);
  if (updating) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, actual);
    return;
  }
  if (!existsSync(file)) expect.fail(`${path} does not exist: write it with UPDATE_GOLDEN=1 and read it before committing`);
  expect(actual, `${path} differs: if that is meant, write it with UPDATE_GOLDEN=1`).toBe(readFileSync(file, "utf8"));
}

/** Names of the files of a folder under `test/` that end in `extension`, sorted. */
export function goldenCases(folder: string, extension: string): readonly string[] {
  return readdirSync(join(testRoot, folder))
    .filter((name) => name.endsWith(extension))
    .sort();
}

/** Text of a file under `test/`. */
export function readCase(path: string): string {
  return readFileSync(join(testRoot, path), "utf8");
}
