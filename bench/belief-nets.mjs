// Wake-sleep, reweighted wake-sleep and VIMCO on one sigmoid belief net of 200 units, each at the best of several learning rates, as papers tune them.
//   node bench/belief-nets.mjs                 1,000 steps of 100 rows out of 10,000, K = 10
//   node bench/belief-nets.mjs --steps 5000 --train 50000 --test 10000 --only rws,sbn
// The rows are the first ones of the fixed binarised MNIST; the number is -IWAE(p, q, k = 200) on test rows, an upper bound of -log p(x).
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "helmholtz,rws,sbn" },
    rates: { type: "string", default: "1e-3,3e-3,1e-2" },
    steps: { type: "string", default: "1000" },
    k: { type: "string", default: "10" },
    train: { type: "string", default: "10000" },
    test: { type: "string", default: "1000" },
    seed: { type: "string", default: "0" },
  },
});
const root = fileURLToPath(new URL("../", import.meta.url));
const source = join(process.env.GMC_DATA ?? join(root, "shared", "data"), "binarized_mnist");
const folder = mkdtempSync(join(tmpdir(), "gmc-belief-nets-"));
const PIXELS = 784;

/** The first rows of a split as a .npy of bytes, 0 and 255. */
function write(split, rows) {
  const bits = gunzipSync(readFileSync(join(source, `binarized_mnist_${split}.packbits.gz`)));
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${rows}, ${PIXELS}), }`.padEnd(117) + "\n";
  const bytes = Buffer.alloc(128 + rows * PIXELS);
  bytes.write("\x93NUMPY\x01\x00", "latin1");
  bytes.writeUInt16LE(118, 8);
  bytes.write(header, 10, "latin1");
  for (let i = 0; i < rows * PIXELS; i++) bytes[128 + i] = (bits[i >> 3] >> (7 - (i & 7))) & 1 ? 255 : 0;
  const path = join(folder, `${split}.npy`);
  writeFileSync(path, bytes);
  return path;
}
mkdirSync(folder, { recursive: true });
const data = `x=${write("train", Number(flags.train))},x.test=${write("test", Number(flags.test))}`;

console.log("| model | learning rate | test NLL (nats) | seconds |");
console.log("|---|---:|---:|---:|");
for (const model of flags.only.split(","))
  for (const rate of flags.rates.split(",")) {
    const samples = model === "helmholtz" ? [] : ["--set", `K=${flags.k}`];
    const options = ["--steps", flags.steps, "--lr", rate, "--seed", flags.seed, "--out", join(folder, `${model}-${rate}`), "--json"];
    const args = ["train", `examples/${model}.gm`, "--data", data, "--set", "Hs=[200]", ...samples, "--k", "200", ...options];
    const ran = spawnSync(process.execPath, [join(root, "dist", "cli", "main.js"), ...args], { cwd: root, encoding: "utf8" });
    if (ran.status !== 0) throw new Error(ran.stderr);
    const result = JSON.parse(ran.stdout.trim().split("\n").at(-1));
    const { value, standardError } = result.metrics.nll;
    console.log(`| ${model} | ${rate} | ${value.toFixed(2)} ± ${standardError.toFixed(2)} | ${result.training.seconds.toFixed(0)} |`);
  }
rmSync(folder, { recursive: true, force: true });
