/**
 * `npm run bench:compile`: how long `gmc compile` takes from a cold start, against `node -e 0`; prints Markdown tables.
 *
 *     node bench/compile.mjs [--rounds 15] [--scaling]
 *
 * Each cell is a process of its own, and all take turns, so that whatever else the machine does hits all alike. A cell counts with the median
 * of its runs, a ratio is the median of the ratios within a round. `--scaling` compiles models with 250 to 2,000 of a thing in one process, and
 * prints the processor time: it should double from column to column.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chains, denseModel, longModel } from "./long-model.mjs";

const { values: flags } = parseArgs({
  options: { rounds: { type: "string", default: "15" }, scaling: { type: "boolean", default: false } },
});
const path = (file) => fileURLToPath(new URL(file, import.meta.url));

if (flags.scaling) await scaling();
else cold(Number(flags.rounds));

function cold(rounds) {
  const folder = mkdtempSync(join(os.tmpdir(), "gmc-bench-"));
  try {
    const file = (name, text) => {
      writeFileSync(join(folder, name), text);
      return { file: join(folder, name), lines: text.trimEnd().split("\n").length };
    };
    const gmc = (model) => [path("../dist/cli/main.js"), "compile", model, "--out", join(folder, "out.ts")];
    const long = file("long.gm", longModel(1000));
    const dense = file("dense.gm", denseModel(1000));
    const vae = path("../examples/vae.gm");
    const cells = [
      { label: "`node -e 0`", args: ["-e", "0"] },
      { label: "`gmc --version`", args: [path("../dist/cli/main.js"), "--version"] },
      { label: "`gmc compile examples/vae.gm`", args: gmc(vae) },
      { label: `a model of ${long.lines} lines, as one is written`, args: gmc(long.file) },
      { label: `a model of ${dense.lines} lines, a statement on each`, args: gmc(dense.file) },
    ].map((cell) => ({ ...cell, ms: [] }));
    for (let round = -1; round < rounds; round++) {
      for (const cell of cells) {
        const began = performance.now();
        const { status, stderr } = spawnSync(process.execPath, cell.args, { encoding: "utf8" });
        if (status !== 0) throw new Error(`${cell.label}: ${stderr}`);
        // round -1 fills the caches of the disk
        if (round >= 0) cell.ms.push(performance.now() - began);
      }
    }
    const ratio = (cell, to) => median(cell.ms.map((ms, i) => ms / to.ms[i])).toFixed(2);
    console.log(`${rounds} rounds, ${os.cpus()[0]?.model ?? "a CPU"}, ${os.availableParallelism()} CPUs, Node ${process.versions.node}.\n`);
    console.log("|  | ms, median | fastest | to `node -e 0` | to the VAE |\n| --- | ---: | ---: | ---: | ---: |");
    cells.forEach((cell, i) => {
      const ratios = [i > 0 ? ratio(cell, cells[0]) : "", i > 2 ? ratio(cell, cells[2]) : ""];
      console.log(`| ${cell.label} | ${median(cell.ms).toFixed(0)} | ${Math.min(...cell.ms).toFixed(0)} | ${ratios.join(" | ")} |`);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function scaling() {
  const { compile } = await import("../dist/compile.js");
  const sizes = [250, 500, 1000, 2000];
  const time = (text) => {
    const began = process.cpuUsage();
    const compiled = compile({ path: "long.gm", text });
    if (!compiled.derived) throw new Error(compiled.diagnostics.map((d) => d.message).join("\n"));
    compiled.print("ts");
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  };
  console.log(`| ms of processor time | ${sizes.join(" | ")} |\n| --- | ${sizes.map(() => "---:").join(" | ")} |`);
  for (const [label, make] of Object.entries(chains)) {
    time(make(50));
    const cells = sizes.map((n) => median([1, 2, 3].map(() => time(make(n)))).toFixed(0));
    console.log(`| ${label} | ${cells.join(" | ")} |`);
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
