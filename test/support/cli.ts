/** Runs the built command line in a process of its own. Builds dist/ first where a source is newer. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const bin = join(root, "dist", "cli", "main.js");
const stamp = join(root, ".tmp", "built");

function newest(folder: string): number {
  return Math.max(
    ...readdirSync(folder, { withFileTypes: true }).map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? newest(path) : statSync(path).mtimeMs;
    }),
  );
}

/** Workers take turns at building. */
export function ensureBuilt(): void {
  mkdirSync(join(root, ".tmp"), { recursive: true });
  const lock = join(root, ".tmp", "build-lock");
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      if (existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 120_000) rmdirSync(lock);
      spawnSync("sleep", ["0.2"]);
    }
  }
  try {
    if (existsSync(bin) && existsSync(stamp) && statSync(stamp).mtimeMs > newest(join(root, "src"))) return;
    const { status, stderr } = spawnSync(process.execPath, [join(root, "scripts", "build.mjs")], { encoding: "utf8" });
    if (status !== 0) throw new Error(`the build failed: ${stderr}`);
  } finally {
    rmdirSync(lock);
  }
}

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments of Node in place of the built program. */
  readonly node?: readonly string[];
  /** Gets the process as it runs. */
  readonly during?: (child: ChildProcess) => void;
}

/** Runs the command line of src/ in this process, for what needs neither an engine nor a model that runs: quick. */
export async function gmcHere(args: readonly string[], options: Pick<RunOptions, "cwd"> = {}): Promise<Omit<Ran, "signal">> {
  const { runCli } = await import("../../src/cli/program.js");
  const [before, noColor] = [process.cwd(), process.env["NO_COLOR"]];
  const out = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      out[name] += String(text);
      return true;
    }),
  );
  process.env["NO_COLOR"] = "1";
  process.chdir(options.cwd ?? root);
  try {
    return { code: await runCli(args), ...out };
  } finally {
    process.chdir(before);
    if (noColor === undefined) delete process.env["NO_COLOR"];
    else process.env["NO_COLOR"] = noColor;
    spies.forEach((spy) => spy.mockRestore());
  }
}

export function gmc(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...(options.node ?? [bin]), ...args], {
      cwd: options.cwd ?? root,
      env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    options.during?.(child);
  });
}
