/** Statements of one quantity share a function where it is computed in one way, and only there: the module of two holds what the modules of each hold. */
import { describe, expect, it } from "vitest";
import { loadModel } from "../support/model.js";

const text = (lines: readonly string[]): string => `
model M {
  data x : real[2]
  latent h : binary[3]
  param m : real[2] = 0.25, W : real[2, 3] = 0.5
  density p(x, h) { energy sum((x - m)^2) / 2 - x @ W @ h }
  train {
${lines.map((line, i) => `    phase "p${i}" { ${line}   optimizer = sgd(lr = 0.05), batch = 20, steps = 1 }`).join("\n")}
  }
}`;

/** Bodies of the exported functions, without their names and places. */
const bodiesOf = (...lines: readonly string[]): ReadonlySet<string> =>
  new Set(
    Object.values(loadModel(text(lines)).functions).map((f) =>
      f
        .toString()
        .replace(/^function \w+/u, "")
        .replaceAll(/test\.gm:\d+/gu, ""),
    ),
  );

describe("one likelihood by several methods", () => {
  const ways = [
    "score_matching",
    "denoising_score_matching(sigma = 1)",
    "denoising_score_matching(sigma = 0.1)",
    "nce(ratio = 2)",
    "nce(ratio = 7)",
    "cd(k = 1)",
    "pcd(k = 2, chains = 10)",
  ].map((by) => `maximize log p(x) by ${by}`);
  const pairs = ways.flatMap((a, i) => ways.slice(i + 1).map((b) => [a, b] as const));

  it.each(pairs)("%s, then %s", (a, b) => {
    expect(bodiesOf(a)).not.toEqual(bodiesOf(b));
    expect(bodiesOf(a, b)).toEqual(new Set([...bodiesOf(a), ...bodiesOf(b)]));
  });

  it.each(ways)("%s twice is one function", (way) => {
    expect(Object.keys(loadModel(text([way, way])).functions)).toEqual(Object.keys(loadModel(text([way])).functions));
  });
});
