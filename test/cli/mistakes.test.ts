/** Mistakes around a run, in the built program: each ends with its code and a way out, never with a stack. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, gmc } from "../support/cli.js";
import { tinyModel } from "../support/tiny.js";

let folder = "";
beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-mistakes-"));
  writeFileSync(join(folder, "tiny.gm"), tinyModel);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("folders", () => {
  it("that was removed under a command's feet", async () => {
    const gone = join(folder, "gone");
    mkdirSync(gone);
    const main = new URL("../../dist/cli/main.js", import.meta.url).pathname;
    const script = `process.chdir(${JSON.stringify(gone)}); (await import("node:fs")).rmdirSync(${JSON.stringify(gone)});
      process.argv = [process.argv[0], ${JSON.stringify(main)}, "train", ${JSON.stringify(join(folder, "tiny.gm"))}, "--data", "pinwheel:rows=50"];
      await import(${JSON.stringify(main)});`;
    const ran = await gmc([], { node: ["--input-type=module", "-e", script] });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("error[GM5001]: the current folder is no longer there");
    expect(ran.stderr).not.toContain("    at ");
  });
});
