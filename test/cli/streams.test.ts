/** Where the output of a command goes: a device, a pipe, a reader that leaves early, a full disk. In the built program, on systems that have them. */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bin, ensureBuilt, gmc } from "../support/cli.js";
import { tinyModel } from "../support/tiny.js";

let folder = "";
beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-streams-"));
  writeFileSync(join(folder, "tiny.gm"), tinyModel);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A line for bash; GMC stands for the command. Killed after 60 seconds, which is what a command that hangs comes to. */
function bash(line: string): { code: number | null; signal: string | null; stdout: string; stderr: string } {
  const script = `set -o pipefail\n${line.replaceAll("GMC", `"${process.execPath}" "${bin}"`)}`;
  const { status, signal, stdout, stderr } = spawnSync("bash", ["-c", script], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "" },
  });
  return { code: status, signal, stdout, stderr };
}

const unix = existsSync("/dev/full") && spawnSync("bash", ["-c", "true"]).status === 0;

describe.skipIf(!unix)("output", () => {
  it.each([
    ["GMC compile tiny.gm --out /dev/full", "error[GM5305]: /dev/full: the disk is full"],
    ["GMC compile tiny.gm --out - > /dev/full", "error[GM5205]: standard output: the disk is full"],
    ["GMC explain tiny.gm > /dev/full", "error[GM5205]"],
    ["GMC compile --check tiny.gm --out /dev/full", "error[GM5304]: /dev/full is not a file to compare with"],
    ["mkfifo pipe && GMC compile tiny.gm --out pipe", "error[GM5305]: pipe: nobody reads from this pipe"],
    ["GMC compile tiny.gm --out tiny.gm/", "error[GM5305]: tiny.gm: a file is in the place of the folder"],
    ["mkdir out.d.ts && GMC compile --emit js tiny.gm --out out.js", "error[GM5305]: out.d.ts: is a folder"],
    ["GMC train tiny.gm --data rings --out /dev/full", "error[GM5212]: /dev/full: a file is in the place of the folder"],
    ["GMC train tiny.gm --data rings --out tiny.gm/run", "error[GM5212]"],
    ["TMPDIR=/nowhere GMC train tiny.gm --data rings", "error[GM5212]: /nowhere"],
    ["mkfifo source.gm && GMC fmt source.gm", "error[GM5303]: source.gm: is not a file that can be formatted in place"],
  ])("%s", (line, message) => {
    const ran = bash(line);
    expect(ran.stderr).toContain(message);
    expect(ran.stderr).not.toContain("bug of gmc");
    expect(ran.stderr).not.toContain("    at ");
    expect(ran).toMatchObject({ code: 1, signal: null });
    expect(lstatSync("/dev/full").isCharacterDevice()).toBe(true);
  });

  it("goes into what is there", () => {
    expect(bash("GMC compile tiny.gm --out /dev/stdout | grep -c 'export const model'")).toMatchObject({ code: 0, stdout: "1\n" });
    expect(
      bash(
        "mkfifo through && (cat through > through.ts &) && sleep 0.2 && GMC compile tiny.gm --out through && sleep 0.2 && grep -c 'export const model' through.ts",
      ),
    ).toMatchObject({ code: 0, stdout: "1\n" });
  });

  it("ends quietly where its reader has gone; a run is saved first", async () => {
    expect(bash("GMC explain tiny.gm | head -1")).toMatchObject({ code: 0, stderr: "" });
    const run = bash("GMC train tiny.gm --data pinwheel:rows=200 --epochs 1000000 --engine reference --json --out cut | head -2");
    expect(run.code).toBe(130);
    expect(run.stderr).toContain("gmc resume cut");
    const step = Math.max(...readdirSync(join(folder, "cut", "checkpoints")).map((n) => Number(/step-(\d+)\.json/.exec(n)?.[1] ?? 0)));
    expect(step).toBeGreaterThan(0);
    // to its end at once; fewer steps than it has taken are no end
    const behind = await gmc(["resume", "cut", "--steps", String(step - 1), "--no-eval"], { cwd: folder });
    expect(behind).toMatchObject({ code: 1, stderr: expect.stringContaining("error[GM4008]: the run is at step ") as string });
    expect((await gmc(["resume", "cut", "--steps", String(step + 1), "--no-eval"], { cwd: folder })).code).toBe(0);
  });
});
