/**
 * What greedy phases of the deep Boltzmann machines among the examples put together: in the whole, a layer between two others hears the geometric mean of
 * what its two machines of one layer say of it, and a layer at an end what its own says (Salakhutdinov & Hinton 2009, section 3.1). By enumeration.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { loadModel, runModel } from "../support/model.js";
import { bits } from "./energy-cases.js";

const SIZES: Readonly<Record<string, number>> = { v: 3, h1: 2, h2: 3, h3: 2 };

interface Machine {
  /** Of the generated file, with the names of what it takes, in order. */
  readonly energy: string;
  readonly takes: readonly string[];
}

/** The layer, the whole and the machines of one layer that speak of it; copies have the values of what they copy. */
interface Case {
  readonly file: string;
  readonly whole: Machine;
  readonly parts: readonly Machine[];
  /** Of each layer, its machines. */
  readonly layers: Readonly<Record<string, readonly number[]>>;
}

const cases: readonly Case[] = [
  {
    file: "dbm.gm",
    whole: { energy: "energyP", takes: ["v", "h1", "h2"] },
    parts: [
      { energy: "energyR1", takes: ["v", "v_copy", "h1"] },
      { energy: "energyR2", takes: ["h1", "h2", "h2_copy"] },
    ],
    layers: { v: [0], h1: [0, 1], h2: [1] },
  },
  {
    file: "dbm3.gm",
    whole: { energy: "energyP", takes: ["v", "h1", "h2", "h3"] },
    parts: [
      { energy: "energyR1", takes: ["v", "v_copy", "h1"] },
      { energy: "energyR2", takes: ["h1", "h2"] },
      { energy: "energyR3", takes: ["h2", "h3", "h3_copy"] },
    ],
    layers: { v: [0], h1: [0, 1], h2: [1, 2], h3: [2] },
  },
];

describe.each(cases)("$file", ({ file, whole, parts, layers }) => {
  const sizes = Object.keys(layers).map((name) => `${name === "v" ? "D" : name.toUpperCase()} = ${SIZES[name]}`);
  const text = readFileSync(new URL(`../../examples/${file}`, import.meta.url), "utf8").replace(
    /(model \w+)\((?:[A-Z]\d? = \d+, )+/u,
    `$1(${sizes.join(", ")}, `,
  );
  const loaded = loadModel(text);
  const names = Object.keys(layers);
  const states = names.reduce<readonly Readonly<Record<string, readonly number[]>>[]>(
    (all, name) => all.flatMap((s) => bits(SIZES[name]!).map(({ value }) => ({ ...s, [name]: value }))),
    [{}],
  );
  const state = Object.fromEntries(
    leavesOf(loaded.weights).map(({ path, spec }, k) => [
      path,
      Array.from({ length: spec.shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(3.7 * i + 1.3 * k + 0.4)),
    ]),
  );
  const column = (name: string): { shape: number[]; data: number[] } => ({
    shape: [states.length, SIZES[name]!],
    data: states.flatMap((s) => s[name]!),
  });
  /** Energies of all states. `clamped`: what a copy holds while its layer moves. */
  const energies = (machine: Machine, copies: (name: string) => { shape: number[]; data: number[] }): readonly number[] =>
    runModel(loaded, ({ f, w, x }) => ({ e: f(machine.energy)(w, ...machine.takes.map((name) => x[name])) }), {
      data: Object.fromEntries(
        machine.takes.map((name) => [name, name.endsWith("_copy") ? copies(name.replace("_copy", "")) : column(name)]),
      ),
      state,
    })["e"]!;

  it.each(names)("composes what is said of %s", (layer) => {
    // a copy of the layer that moves is another variable, and stays; a copy of the other layer has its value
    const still = (name: string): { shape: number[]; data: number[] } =>
      name === layer ? { shape: column(name).shape, data: column(name).data.map(() => 1) } : column(name);
    const all = energies(whole, still);
    const own = layers[layer]!.map((part) => energies(parts[part]!, still));
    // log p(state) - log p(the layer off | the rest), where the layer alone differs
    const off = (s: (typeof states)[number]): number =>
      states.findIndex((other) => names.every((n) => (n === layer ? other[n]!.every((x) => x === 0) : String(other[n]) === String(s[n]))));
    let seen = 0;
    states.forEach((s, i) => {
      const base = off(s);
      const mean = own.reduce((t, e) => t + (e[i]! - e[base]!), 0) / own.length;
      expect(all[i]! - all[base]!).toBeCloseTo(mean, 5);
      seen = Math.max(seen, Math.abs(mean));
    });
    expect(seen).toBeGreaterThan(0.5);
  });
});
