/** Bounds by mean field that are taken off one another, as a conditional and written out in other ways. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const model = (body: string): string => `model M(D = 60, H = 30) {
  data v : binary[D], y : category[10], s : real, t : positive
  latent h : binary[H], g : binary[H]
  param W : real[D, H], U : real[10, H], V : real[H, H], free : real = 1, above : positive = 1
  density p(v, y, h, g) { energy -(v @ W @ h) - U[y] @ h - h @ V @ g }
  density r(v, h) { energy -(v @ W @ h) }
  density q(h | v) { h ~ Bernoulli(logits = v @ W) }
  ${body}
}`;

const errorsOf = (body: string): readonly string[] =>
  compile({ path: "model.gm", text: model(body) }).diagnostics.flatMap((d) => (d.severity === "error" ? [d.code] : []));

const train = (value: string): string => `train { maximize ${value} by mean_field(steps = 10) and pcd(k = 1, chains = 10)   batch = 4 }`;
const measure = (value: string): string => `evaluate { m = ${value} by mean_field(steps = 10) and ais(chains = 10, temperatures = 100) }`;

const differences: readonly (readonly [string, string, string])[] = [
  ["written out", "log p(v, y) - log p(y)", ""],
  ["the other way round", "log p(y) - log p(v, y)", ""],
  ["a multiple", "2 * (log p(v, y) - 0.5 * log p(v))", ""],
  ["times a negative number", "log p(v, y) + (0 - 1) * log p(y)", ""],
  ["times what is negative", "log p(v, y) + -exp(free) * log p(y)", ""],
  ["over a number", "log p(v, y) + log p(y) / -2", ""],
  ["by names", "a - b", "objective a = log p(v, y)   objective b = log p(y)"],
  ["within an expectation", "E[y ~ data](log p(v, y) - log p(y))", ""],
  ["the joint less a bound", "E[h ~ q(h | v)](log p(v, y, h)) - log p(v, y)", ""],
];

describe("a bound that is taken off another", () => {
  it.each(differences)("is refused in training: %s", (_name, value, named) => {
    expect(errorsOf(`${named} ${train(value)}`)).toEqual(["GM3534"]);
  });

  it.each(differences)("is refused in an evaluation: %s", (_name, value, named) => {
    expect(errorsOf(`${named} ${measure(value)}`)).toEqual(["GM3534"]);
  });
});

describe("a bound whose sign differs from row to row", () => {
  it.each([
    ["branches of which one is taken off", "where(equal(y, 1), log p(v, y), -log p(y))"],
    ["one bound, added or taken off", "where(equal(y, 1), log p(y), -log p(y))"],
    ["times a number of the row", "log p(v, y) + s * log p(y)"],
    ["times a number of the row, alone", "(s - 1) * log p(v, y)"],
    ["a square", "-((log p(v)) ^ 2)"],
  ])("is refused in training: %s", (_name, value) => {
    expect(errorsOf(train(value))).toEqual(["GM3534"]);
    const bySamples = errorsOf(`train { maximize ${value} by gibbs(steps = 10) and pcd(k = 1, chains = 10)   batch = 4 }`);
    // samples have no value that a square could be taken of
    expect(bySamples).toEqual(value.includes("^") ? ["GM3536"] : []);
  });

  it.each([
    ["branches that are added", "where(equal(y, 1), log p(v, y), 2 * log p(y))"],
    ["times a positive number of the row", "t * log p(v, y) + relu(s) * log p(y)"],
    ["times a weight that is held", "stop(free) * log p(v, y)"],
  ])("is none: %s", (_name, value) => {
    expect(errorsOf(train(value))).toEqual([]);
  });
});

describe("bounds of one side", () => {
  it.each([
    ["one", "log p(v, y)"],
    ["a sum", "log p(v, y) + log p(y)"],
    ["a multiple", "stop(above) * log p(v, y) + 0.5 * log p(v)"],
    ["less nothing of it", "log p(v, y) + log p(v) - 0.5 * log p(v)"],
    ["less an exact sum of another", "log p(v, y) - log r(v, h = W[1] * 0)"],
    ["less what is no density", "log p(v, y) - sum(W^2)"],
  ])("%s", (_name, value) => {
    expect(errorsOf(train(value))).toEqual([]);
    expect(errorsOf(measure(`-(${value})`))).toEqual([]);
  });
});
