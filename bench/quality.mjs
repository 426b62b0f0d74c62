// Trains vae, iwae and a mixture of Gaussians for real and prints their numbers beside published ones.
//   npm run quality                    every model, 50 epochs (iwae: 50 as well, about 15 minutes on two cores)
//   npm run quality -- --epochs 10     a smaller budget, the same for all
//   npm run quality -- --only vae,iwae
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: {
    epochs: { type: "string", default: "50" },
    k: { type: "string", default: "5000" },
    only: { type: "string" },
    seed: { type: "string", default: "0" },
    help: { type: "boolean" },
  },
});
if (flags.help) {
  console.log("usage: npm run quality -- [--epochs N] [--k N] [--only vae,iwae,mog,mog-mnist] [--seed N]");
  process.exit(0);
}

const root = fileURLToPath(new URL("../", import.meta.url));
const gmc = join(root, "dist", "cli", "main.js");

/** `published`: the number of a paper and its protocol; read them as a scale, since its training is longer. */
const models = [
  { name: "vae", file: "vae.gm", args: ["--k", flags.k], published: "86.76, Burda et al. 2016, 3,280 epochs, k = 5000" },
  { name: "iwae", file: "iwae.gm", args: ["--k", flags.k], published: "84.78, Burda et al. 2016, 3,280 epochs, k = 5000" },
  { name: "mog", file: "mog.gm", args: [], published: "exact" },
  {
    name: "mog-mnist",
    file: "mog.gm",
    args: ["--set", "D=784", "--set", "K=50", "--data", "mnist"],
    published: "exact density of pixels v/255",
  },
].filter((m) => flags.only === undefined || flags.only.split(",").includes(m.name));

const folder = mkdtempSync(join(tmpdir(), "gmc-quality-"));
const rows = [];
for (const model of models) {
  console.error(`${model.name}: training for ${flags.epochs} epochs`);
  const lines = await run([
    gmc,
    "train",
    join("examples", model.file),
    "--epochs",
    flags.epochs,
    "--seed",
    flags.seed,
    "--out",
    join(folder, model.name),
    "--json",
    ...model.args,
  ]);
  const result = JSON.parse(lines.at(-1));
  rows.push({ ...model, result });
}
rmSync(folder, { recursive: true, force: true });

console.log(
  `\n${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} cores, Node ${process.version}; ${flags.epochs} epochs, seed ${flags.seed}\n`,
);
console.log("| model | test NLL (nats) | protocol | active units | seconds | steps/s | published |");
console.log("|---|---|---|---|---|---|---|");
for (const { name, result, published } of rows) {
  const { nll, active } = result.metrics;
  const protocol = `${nll.label}${nll.k === null ? "" : `, k = ${nll.k}`}, ${nll.bound}`;
  console.log(
    `| ${name} | ${nll.value.toFixed(2)} ± ${nll.standardError.toFixed(2)} | ${protocol} | ${active ? active.value : ""} | ${(result.training.seconds + result.seconds).toFixed(0)} | ${result.training.stepsPerSecond.toFixed(0)} | ${published} |`,
  );
}
const data = rows[0]?.result.protocol?.data ?? [];
for (const line of [data].flat()) console.log(`\n${line}`);

function run(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(out.trim().split("\n")) : reject(new Error(`gmc ended with ${code}`))));
  });
}
