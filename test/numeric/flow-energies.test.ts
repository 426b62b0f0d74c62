/**
 * The examples that fit a flow to an energy of Rezende & Mohamed (2015, table 1): their energies against the paper's formulas in plain arithmetic,
 * and the -log Z that they state against quadrature.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { someWeights } from "../support/flow-model.js";
import { loadModel, runModel } from "../support/model.js";

const bell = (v: number): number => Math.exp(-(v ** 2) / 2);
const ridge = (x: number): number => Math.sin((Math.PI / 2) * x);
/** The paper cuts energies 2 to 4 off at |z| = 4; the examples close them. */
const closed = (x: number): number => (x / 4) ** 4;

const energies: Readonly<Record<number, (x: number, y: number) => number>> = {
  1: (x, y) => ((Math.hypot(x, y) - 2) / 0.4) ** 2 / 2 - Math.log(bell((x - 2) / 0.6) + bell((x + 2) / 0.6)),
  2: (x, y) => ((y - ridge(x)) / 0.4) ** 2 / 2 + closed(x),
  3: (x, y) => -Math.log(bell((y - ridge(x)) / 0.35) + bell((y - ridge(x) + 3 * bell((x - 1) / 0.6)) / 0.35)) + closed(x),
  4: (x, y) => -Math.log(bell((y - ridge(x)) / 0.4) + bell((y - ridge(x) + 3 / (1 + Math.exp(-(x - 1) / 0.3))) / 0.35)) + closed(x),
};

/** By the midpoint rule, which is exact to many digits for what falls off smoothly on all sides. */
function minusLogZ(energy: (x: number, y: number) => number): number {
  const [half, n] = [9, 500];
  const at = (i: number): number => -half + ((i + 0.5) * 2 * half) / n;
  let total = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) total += Math.exp(-energy(at(i), at(j)));
  return -Math.log(total * ((2 * half) / n) ** 2);
}

const stated = (name: string): number => Number(/-log Z = (-?[\d.]+\d)/u.exec(readFileSync(`examples/${name}.gm`, "utf8"))?.[1]);

const examples: readonly (readonly [string, number])[] = [
  ["planar_density", 1],
  ["radial_density1", 1],
  ["planar_density2", 2],
  ["radial_density", 2],
  ["planar_density3", 3],
  ["radial_density3", 3],
  ["planar_density4", 4],
  ["radial_density4", 4],
];

describe("energies of Rezende & Mohamed", () => {
  it.each(examples)("%s is energy %i of the paper", (name, which) => {
    const loaded = loadModel(readFileSync(`examples/${name}.gm`, "utf8"));
    const energy = energies[which]!;
    const points = Array.from({ length: 49 }, (_, i) => [-3.3 + (i % 7) * 1.1, -2.9 + Math.floor(i / 7)]);
    const { u } = runModel(loaded, ({ f, x }) => ({ u: f("U")(x["x"]) }), {
      data: { x: { shape: [49, 2], data: points.flat() } },
      state: someWeights(loaded),
    });
    points.forEach(([x, y], i) => {
      if (energy(x!, y!) < 300) expect(u![i]).toBeCloseTo(energy(x!, y!), 5);
    });
  });

  it.each(Object.entries(energies))("-log Z of energy %s is what the examples and the guide state", (which, energy) => {
    const value = minusLogZ(energy);
    for (const [name, of] of examples) if (of === Number(which)) expect(stated(name), name).toBeCloseTo(value, 3);
    const row = readFileSync("docs/guide/flows.md", "utf8")
      .split("\n")
      .find((line) => line.startsWith(`| ${which}, `));
    expect(Number(row?.split("|")[2])).toBeCloseTo(value, 3);
  });
});
