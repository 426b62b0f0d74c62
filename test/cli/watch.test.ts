/** `gmc compile --watch`: an edit gives a new output, an error is shown and its repair compiles, imports are followed, a signal ends it. */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, gmc } from "../support/cli.js";
import { tinyModel } from "../support/tiny.js";

let folder = "";
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-watch-"));
  writeFileSync(at("package.json"), "{}");
  mkdirSync(at("parts"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What stderr and stdout have said so far; `until` waits for more of it. */
interface Heard {
  readonly until: (text: string, times?: number) => Promise<void>;
  readonly child: ChildProcess;
}

async function watching(args: readonly string[], act: (heard: Heard) => Promise<void>): Promise<{ code: number | null; text: string }> {
  let text = "";
  let failure: unknown;
  const ran = await gmc(["compile", "--watch", ...args], {
    cwd: folder,
    during: (child) => {
      for (const stream of [child.stdout, child.stderr]) stream?.on("data", (part: string) => (text += part));
      const until = async (wanted: string, times = 1): Promise<void> => {
        const end = Date.now() + 30_000;
        while (text.split(wanted).length - 1 < times) {
          if (Date.now() > end || child.exitCode !== null) throw new Error(`waited for ${times} x "${wanted}" in:\n${text}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
      act({ until, child }).catch((error: unknown) => {
        failure = error;
        child.kill("SIGKILL");
      });
    },
  });
  if (failure !== undefined) throw failure;
  return { code: ran.code, text };
}

describe("compile --watch", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("compiles each change, shows an error and its repair, and ends on %s with 0", async (signal) => {
    writeFileSync(at("tiny.gm"), tinyModel);
    const { code, text } = await watching(["tiny.gm"], async ({ until, child }) => {
      await until("watching tiny.gm");
      expect(readFileSync(at("tiny.gm.ts"), "utf8")).toContain("dense.spec(2, 8)");
      writeFileSync(at("tiny.gm"), tinyModel.replace("H = 8", "H = 9"));
      await until("tiny.gm -> tiny.gm.ts\n", 2);
      const good = readFileSync(at("tiny.gm.ts"), "utf8");
      expect(good).toContain("dense.spec(2, 9)");
      writeFileSync(at("tiny.gm"), tinyModel.replace("decoder(z), 0.5", "decodr(z), 0.5"));
      await until("did you mean");
      expect(readFileSync(at("tiny.gm.ts"), "utf8")).toBe(good);
      // as editors do it: another file takes its place
      writeFileSync(at("tiny.gm.new"), tinyModel.replace("H = 8", "H = 7"));
      renameSync(at("tiny.gm.new"), at("tiny.gm"));
      await until("tiny.gm -> tiny.gm.ts\n", 3);
      expect(readFileSync(at("tiny.gm.ts"), "utf8")).toContain("dense.spec(2, 7)");
      child.kill(signal);
    });
    expect(code).toBe(0);
    expect(text).not.toContain("    at ");
    rmSync(at("tiny.gm.ts"));
  });

  it("follows what a model imports, from its first compilation on, though that fails", async () => {
    const model = tinyModel.replace("  net decoder(z) = z |> dense(H) |> tanh |> dense(2)\n", "");
    writeFileSync(at("main.gm"), `import "parts/decoder.gm"\n${model}`);
    writeFileSync(at("parts/decoder.gm"), "net other(z) = z |> dense(2)\n");
    const { code } = await watching(["main.gm"], async ({ until, child }) => {
      await until("watching main.gm");
      await until("error[");
      writeFileSync(at("parts/decoder.gm"), "net decoder(z) = z |> dense(5) |> dense(2)\n");
      await until("main.gm -> main.gm.ts");
      expect(readFileSync(at("main.gm.ts"), "utf8")).toContain("dense.spec(2, 5)");
      child.kill("SIGINT");
    });
    expect(code).toBe(0);
  });

  it("says each compilation in a line of JSON with --json", async () => {
    writeFileSync(at("json.gm"), tinyModel);
    const { text } = await watching(["json.gm", "--json"], async ({ until, child }) => {
      await until('"ok":true');
      await until("watching");
      writeFileSync(at("json.gm"), "model M {");
      await until('"diagnostics"');
      child.kill("SIGINT");
    });
    expect(text).toContain('"files":[{"source":"json.gm","output":"json.gm.ts","state":"written"}]');
  });

  it("is an error where there is nothing to watch", async () => {
    const ran = await gmc(["compile", "--watch", "nowhere/a.gm"], { cwd: folder });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("error[GM5303]: nowhere/a.gm: there is no folder nowhere to watch");
  });
});
