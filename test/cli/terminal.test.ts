/** On a terminal: the built program on a pseudo-terminal that `script` opens. Skipped where there is no such `script` (util-linux). */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bin, ensureBuilt } from "../support/cli.js";
import { tinyModel } from "../support/tiny.js";

let folder = "";
beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-terminal-"));
  writeFileSync(join(folder, "tiny.gm"), tinyModel);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const here = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

/** What a terminal of so many columns is sent; `type` gets what it has been sent so far and gives keys to press. */
function onTerminal(
  args: string,
  columns: number,
  type: (seen: string) => string | undefined = () => undefined,
): Promise<{ code: number | null; sent: string }> {
  return new Promise((resolve, reject) => {
    const command = `stty cols ${columns}; exec "${process.execPath}" "${bin}" ${args}`;
    const env = { ...process.env, TERM: "xterm", NO_COLOR: "", FORCE_COLOR: undefined };
    const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: folder, env, stdio: ["pipe", "pipe", "inherit"] });
    let sent = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      sent += part;
      const keys = type(sent);
      if (keys !== undefined) child.stdin.write(keys);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, sent }));
  });
}

/** What is left on the screen: of each line what was written after its last carriage return. */
const screen = (sent: string): string[] =>
  sent.split("\n").map((line) =>
    line
      .replace(/\r$/, "")
      .split("\r")
      .reduce((shown, part) => part + shown.slice(part.length), ""),
  );

const train = "train tiny.gm --data pinwheel:rows=500 --engine reference --seed 1";

describe.skipIf(!here)("on a terminal", () => {
  it("one line is rewritten while training runs, and ends at the last step", async () => {
    const { code, sent } = await onTerminal(`${train} --epochs 20 --out live --no-eval`, 100);
    expect(code).toBe(0);
    const live = sent.split("\r").filter((part) => part.startsWith("epoch "));
    expect(live.length).toBeGreaterThan(3);
    expect(live[0]).toMatch(/^epoch 1\/20 {2}step 1\/500 {2}ELBO\(p, q\) -\d+\.\d+ *$/);
    expect(live[1]).toMatch(/ELBO\(p, q\) -\d+\.\d+ {2}[\d.]+ steps\/s {2}.+ left/);
    for (const part of live) expect(part.split("\n")[0]!.length).toBeLessThan(100);
    const lines = screen(sent);
    // between two validation lines and after the last one there is at most the line at hand
    expect(lines.filter((line) => line.startsWith("epoch ")).map((line) => line.trimEnd())).toEqual([
      expect.stringMatching(/^epoch 20\/20 {2}step 500\/500 {2}ELBO\(p, q\) -\d+\.\d+ {2}[\d.]+ steps\/s {2}0\.0 s left$/),
    ]);
    expect(lines.filter((line) => line.startsWith("  validation: "))).toHaveLength(20);
  }, 60_000);

  it("a narrow one gets a line that fits, and colours", async () => {
    const { code, sent } = await onTerminal(`${train} --steps 200 --out narrow`, 40);
    expect(code).toBe(0);
    for (const part of sent.split(/[\r\n]/).filter((p) => p.startsWith("epoch "))) expect(part.length).toBeLessThan(40);
    expect(sent).toContain("\u001B[1m");
    expect(screen(sent).join("\n")).not.toContain("evaluating");
  }, 60_000);

  it("Ctrl+C saves and ends with 130", async () => {
    let pressed = false;
    const { code, sent } = await onTerminal(`${train} --epochs 100000 --out stopped`, 100, (seen) => {
      if (pressed || !seen.includes("steps/s")) return undefined;
      pressed = true;
      return "\u0003";
    });
    expect(code).toBe(130);
    expect(screen(sent).join("\n")).toMatch(
      /saving \(once more to end at once\)[\s\S]*saved at step [\d,]+; go on with `gmc resume stopped`/,
    );
    expect(readdirSync(join(folder, "stopped", "checkpoints")).some((name) => name.endsWith(".json"))).toBe(true);
  }, 60_000);
});
