/** Where the output of a command goes: a device, a pipe, a reader that leaves early, a full disk. In the built program, on systems that have them. */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bin, ensureBuilt, gmc, root } from "../support/cli.js";
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
    [
      "GMC compile tiny.gm --out - > /dev/full",
      "error[GM5205]: standard output: the disk is full\n  = help: free some space, or send it elsewhere",
    ],
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

  it.each([
    ["ENOSPC", "fmt ugly.gm", "GM5305", "free some space, or copy the file to a place that takes it, and name the copy"],
    ["EROFS", "fmt ugly.gm", "GM5305", "copy the file to a place that takes it, and name the copy"],
    ["EACCES", "compile tiny.gm", "GM5305", "check the permissions of the folder, or choose another with --out"],
    ["EACCES", "explain rbm.gm --svg rbm.svg", "GM5206", "check the permissions of the folder, or choose another with --svg"],
    ["ENOSPC", "resume RUN --steps 9", "GM5205", "free some space, or copy the run folder to a place that takes it, and name the copy"],
    ["EROFS", "resume RUN --steps 9", "GM5206", "copy the run folder to a place that takes it, and name the copy"],
  ])("where the system says %s, gmc %s tells a way out that it has", (system, command, code, help) => {
    // what a full or closed disk says to whoever opens a file to write
    writeFileSync(
      join(folder, "closed.mjs"),
      `import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
const { openSync, writeFileSync } = fs;
const no = () => { throw Object.assign(new Error("${system}: no"), { code: "${system}" }); };
const inside = (path) => String(path).startsWith(process.cwd()) || !String(path).startsWith("/");
fs.openSync = (path, flags, ...more) => (/[wa+]/.test(String(flags)) && inside(path) ? no() : openSync(path, flags, ...more));
fs.writeFileSync = (path, ...more) => (inside(path) ? no() : writeFileSync(path, ...more));
syncBuiltinESMExports();
`,
    );
    writeFileSync(join(folder, "ugly.gm"), tinyModel.replace("decoder(z) =", "decoder( z )="));
    writeFileSync(join(folder, "rbm.gm"), readFileSync(join(root, "examples", "rbm.gm"), "utf8"));
    if (command.includes("RUN") && !existsSync(join(folder, "kept")))
      expect(bash("GMC train tiny.gm --data pinwheel:rows=200 --steps 2 --engine reference --no-eval --out kept").code).toBe(0);
    const ran = bash(`NODE_OPTIONS="--import=./closed.mjs" GMC ${command.replace("RUN", "kept")}`);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`error[${code}]`);
    expect(ran.stderr).toContain(`= help: ${help}\n`);
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
