/** Clamped chains with some entries of a variable held: the others, and all other variables, against enumeration (quadrature) of what agrees with them. */
import { describe, expect, it } from "vitest";
import { gibbs, hmc, rootKey } from "../../src/runtime/index.js";
import { constant } from "../../src/runtime/graph/index.js";
import { namedPart, partlyHeld, partlyHeldable, partOf, withPart } from "../../src/runtime/energy/partly-held.js";
import { cases, caseOf, eachState, exactDraws, feedsOf, run, weightsOf, type Assignment, type Case } from "./energy-cases.js";

const rows = 800;

const width = (c: Case, name: string): number => c.atoms[name]![0]!.value.length;

/** Every joint state that agrees with the held entries, with its probability. */
function given(c: Case, name: string, mask: readonly number[], value: readonly number[]): { readonly x: Assignment; readonly p: number }[] {
  const found: { x: Assignment; p: number }[] = [];
  const w = weightsOf(c);
  eachState(c, Object.keys(c.model.units), {}, (x, m) => {
    if (mask.every((on, i) => on === 0 || x[name]![i] === value[i])) found.push({ x, p: Math.exp(m - c.energy(w, x)) });
  });
  const total = found.reduce((s, { p }) => s + p, 0);
  return found.map(({ x, p }) => ({ x, p: p / total }));
}

/** Rows of what the chains show. */
function clamped(c: Case, name: string, mask: readonly number[], value: readonly number[], move: "gibbs" | "hmc", n = rows): Assignment[] {
  const names = Object.keys(c.model.units);
  const event = c.model.units[name]!.shape;
  const integral = "classes" in c.model.units[name]!;
  const start = Array.from({ length: n }, (_, r) => exactDraws(c, 16)[r % 16]!);
  const got = run(
    c,
    (w, x) => {
      const tile = (list: readonly number[], type: "f32" | "i32"): ReturnType<typeof constant> =>
        constant(Array.from({ length: n }, () => list).flat(), [n, ...event], type);
      const { part } = partOf(namedPart(name, tile(mask, "f32"), tile(value, integral ? "i32" : "f32")));
      const held = partlyHeld(c.model, part!);
      const at = { ...x, ...held.x };
      const key = rootKey().at("clamped");
      const after =
        move === "gibbs"
          ? gibbs(held.model, w, key, at, { sweeps: 14 })
          : Array.from({ length: 12 }).reduce<typeof at>(
              (now, _, i) =>
                hmc(held.model, w, key.at("hmc").fold(i), gibbs(held.model, w, key.fold(i), now, { clamp: [name] }), {
                  names: [name],
                  stepSize: 0.3,
                  leapfrog: 5,
                }).values,
              at,
            );
      return Object.fromEntries(names.map((v) => [v, v === name ? withPart(part!, after[v]!) : after[v]!]));
    },
    feedsOf(c, start, names),
    [11, 0, 0, 0],
  );
  return Array.from({ length: n }, (_, r) =>
    Object.fromEntries(names.map((v) => [v, got[v]!.slice(r * width(c, v), (r + 1) * width(c, v))])),
  );
}

/** Means of all entries, and of the products of any two, within 4.5 standard errors. */
function expectSame(c: Case, found: readonly Assignment[], exact: readonly { readonly x: Assignment; readonly p: number }[]): void {
  const flat = (x: Assignment): number[] => Object.keys(c.model.units).flatMap((v) => [...x[v]!]);
  const features = (x: Assignment): number[] => {
    const f = flat(x);
    return [...f, ...f.flatMap((a, i) => f.slice(i + 1).map((b) => a * b))];
  };
  const wanted = exact.map(({ x, p }) => ({ f: features(x), p }));
  const seen = found.map(features);
  seen[0]!.forEach((_, k) => {
    const mean = wanted.reduce((s, { f, p }) => s + p * f[k]!, 0);
    const variance = wanted.reduce((s, { f, p }) => s + p * (f[k]! - mean) ** 2, 0);
    const average = seen.reduce((s, f) => s + f[k]!, 0) / seen.length;
    expect(Math.abs(average - mean)).toBeLessThan(4.5 * Math.sqrt(variance / seen.length) + 1e-4);
  });
}

const parts = cases.flatMap((c) =>
  partlyHeldable(c.model)
    .filter((name) => width(c, name) > 1)
    // one of each kind of units in a case
    .filter((name, i, all) => all.findIndex((other) => c.model.units[other]!.kind === c.model.units[name]!.kind) === i)
    .filter((name) => c.title === "RBM" || c.model.units[name]!.kind !== "bernoulli")
    .map((name) => ({ title: c.title, name })),
);

describe("a part of a variable that is held", () => {
  it.each(parts)("$name of $title", ({ title, name }) => {
    const c = caseOf(title);
    const mask = Array.from({ length: width(c, name) }, (_, i) => (i + 1) % 2);
    // of real variables a node near the middle
    const atoms = c.atoms[name]!;
    const value = atoms[Math.floor(atoms.length * 0.6)]!.value;
    expectSame(c, clamped(c, name, mask, value, "gibbs"), given(c, name, mask, value));
  });

  it("chi-square of all states of an RBM whose upper half is held", () => {
    const c = caseOf("RBM");
    const [mask, value] = [
      [1, 1, 0, 0],
      [1, 0, 0, 0],
    ];
    const n = 4000;
    const counts = new Map<string, number>();
    for (const { v, h } of clamped(c, "v", mask, value, "gibbs", n)) counts.set(`${v};${h}`, (counts.get(`${v};${h}`) ?? 0) + 1);
    const exact = given(c, "v", mask, value);
    expect(exact.length).toBe(32);
    const chi = exact.reduce((s, { x, p }) => s + ((counts.get(`${x["v"]};${x["h"]}`) ?? 0) - n * p) ** 2 / (n * p), 0);
    // 31 degrees: deviation 7.9
    expect(chi).toBeLessThan(31 + 4 * 7.9);
  });

  it("along a gradient", () => {
    const c = caseOf("jointly Normal visible units");
    const name = Object.keys(c.model.units).find((v) => c.model.units[v]!.kind === "jointNormal")!;
    const real = { ...c, model: { ...c.model, units: { ...c.model.units, [name]: { ...c.model.units[name]!, kind: "real" as const } } } };
    const atoms = c.atoms[name]!;
    const value = atoms[Math.floor(atoms.length * 0.6)]!.value;
    const mask = value.map((_, i) => (i + 1) % 2);
    expectSame(c, clamped(real as Case, name, mask, value, "hmc"), given(c, name, mask, value));
  });
});
