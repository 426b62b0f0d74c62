/** A run folder of an energy model that never trained: its JavaScript written by hand, as the compiler prints it. `gmc resume` starts it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** An RBM over 8 x 8 pictures, trained by PCD. */
export const rbmModule = `import {
  add, aisProgram, binary, defineModel, energyModel, freeEnergy, gibbsChain, matmul, mul, neg, param, pcd, sgd, sub, sum,
} from "gmc/runtime";

export const weights = { W: param([64, 6]), a: param([6]), b: param([64]) };
const p = energyModel({
  name: "p",
  place: "rbm.gm:5",
  units: { v: { kind: "bernoulli", shape: [64] }, h: { kind: "bernoulli", shape: [6] } },
  sweep: [["h"], ["v"]],
  energy: (w, { v, h }) => neg(add(add(sum(mul(matmul(v, w.W), h), [-1]), sum(mul(h, w.a), [-1])), sum(mul(v, w.b), [-1]))),
});
const F = (w, v) => freeEnergy(p, w, { v }, { sum: ["h"] });

export const model = defineModel({
  name: "RBM",
  source: { file: "rbm.gm", sha256: "${"0".repeat(64)}", compiler: "0.1.0" },
  hyperparameters: {},
  streams: [{ v: binary([64]) }],
  latents: { h: binary([6]) },
  weights,
  densities: { p: { head: ["v", "h"], given: [], label: "p(v, h)", place: "rbm.gm:4", chain: gibbsChain(p, { sweeps: 20 }) } },
  generative: "p",
  train: [
    {
      name: "train",
      batch: 10,
      steps: 20,
      updates: [
        {
          direction: "maximize",
          label: "log p(v)",
          place: "rbm.gm:8",
          value: ({ w, data, key, carried }) => sub(neg(F(w, data.v)), pcd(p, w, key.at("chain"), { v: carried["p.v"] }, { sum: ["h"] })),
          over: ["W", "a", "b"],
          optimizer: sgd({ lr: 0.1 }),
          carried: { "p.v": { shape: [12, 64], dtype: "f32", start: { kind: "bernoulli" }, of: { density: "p", variable: "v" } } },
        },
      ],
    },
  ],
  evaluate: {
    logZ: {
      kind: "partition",
      method: "ais",
      label: "ais(chains = 20, temperatures = 50)",
      place: "rbm.gm:11",
      chains: 20,
      temperatures: 50,
      statistics: ["v"],
      program: (settings) => aisProgram(p, { ...settings, sum: ["h"] }),
    },
    nll: {
      kind: "rows",
      label: "-log p(v)",
      place: "rbm.gm:12",
      unit: "nats",
      bound: "estimate",
      partitions: ["logZ"],
      value: ({ w, data, partition }) => add(F(w, data.v), partition.logZ),
    },
  },
});
`;

const pixelNames = Array.from({ length: 64 }, (_, i) => `pixel${i}`);

/** 100 rows of 64 pixels: a vertical or a horizontal bar; the columns are named. */
export function barsCsv(): string {
  const names = pixelNames.join(",");
  const rows = Array.from({ length: 100 }, (_, r) => {
    const at = (r >> 1) % 8;
    return Array.from({ length: 64 }, (_, i) => ((r % 2 === 0 ? i % 8 : i >> 3) === at ? 1 : 0)).join(",");
  });
  return `${[names, ...rows].join("\n")}\n`;
}

/** Writes `folder/name`; the data are `v.csv` in `folder`, its columns the words of a vocabulary where `words` says so. */
export function writeEnergyRun(folder: string, name: string, engine: string, words = false): void {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(folder, "v.csv"), barsCsv());
  writeFileSync(join(folder, "words.txt"), pixelNames.join("\n"));
  writeFileSync(join(path, "model.gm.js"), rbmModule);
  const settings = {
    file: "rbm.gm",
    set: {},
    data: { spec: `v=v.csv${words ? ":vocabulary=words.txt" : ""}:test=20`, base: folder },
    seed: 3,
    engine,
  };
  writeFileSync(join(path, "config.json"), JSON.stringify({ format: "gmc-run", settings }));
}
