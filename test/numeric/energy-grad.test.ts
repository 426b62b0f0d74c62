/** Energies with a gradient in them: log p(v), which the analysis of the energy decides how to compute, against enumeration in plain numbers. */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

type Numbers = readonly number[];

interface Case {
  readonly title: string;
  readonly body: string;
  /** States of what is hidden. */
  readonly hidden: readonly Numbers[];
  /** The energy with its derivative worked out by hand, at b = (0.5, -1). */
  readonly energy: (v: Numbers, h: Numbers) => number;
}

const bits = (n: number): readonly Numbers[] => Array.from({ length: 2 ** n }, (_, s) => Array.from({ length: n }, (_, i) => (s >> i) & 1));
const [b1, b2] = [0.5, -1];
const logSum = (xs: Numbers): number => Math.log(xs.reduce((s, x) => s + Math.exp(x), 0));

const cases: readonly Case[] = [
  {
    title: "the derivative multiplies another variable",
    body: "latent h : binary[2] density p(v, h) { energy -sum(grad[x = h](sum(x^2 * b)) * v) - 0.1 * sum(h) }",
    hidden: bits(2),
    energy: ([v1 = 0, v2 = 0], [h1 = 0, h2 = 0]) => -2 * (h1 * b1 * v1 + h2 * b2 * v2) - 0.1 * (h1 + h2),
  },
  {
    title: "the body reads a variable that the derivative is not taken in",
    body: "latent h : binary[2] density p(v, h) { energy -sum(grad[y = b](sum(y^2 * v) * sum(h))) - 0.3 * v @ h }",
    hidden: bits(2),
    energy: ([v1 = 0, v2 = 0], [h1 = 0, h2 = 0]) => -2 * (b1 * v1 + b2 * v2) * (h1 + h2) - 0.3 * (v1 * h1 + v2 * h2),
  },
  {
    title: "a function of one unit, whose body is constant where the unit is 0",
    body: "latent h : binary density p(v, h) { energy -sum(b * v * h) - grad[y = h + 0.5](y^3 * b[1] * h * (1 + v[2])) }",
    hidden: bits(1),
    energy: ([v1 = 0, v2 = 0], [h = 0]) => -(b1 * v1 + b2 * v2) * h - 3 * (h + 0.5) ** 2 * b1 * h * (1 + v2),
  },
  {
    title: "a function of one unit alone",
    body: "latent h : binary density p(v, h) { energy -sum(b * v) * h - grad[y = h + 0.5](y^3 * b[1]) }",
    hidden: bits(1),
    energy: ([v1 = 0, v2 = 0], [h = 0]) => -(b1 * v1 + b2 * v2) * h - 3 * (h + 0.5) ** 2 * b1,
  },
  {
    title: "in two names",
    body: `latent h : binary[2]
      density p(v, h) { g = grad[x = v, y = h](sum(x * y^2 * b) + x[1] * x[2]) energy -sum(g.x) - g.y @ v * 0.2 }`,
    hidden: bits(2),
    energy: ([v1 = 0, v2 = 0], [h1 = 0, h2 = 0]) => -(h1 * b1 + v2 + h2 * b2 + v1) - 0.2 * (2 * v1 * h1 * b1 * v1 + 2 * v2 * h2 * b2 * v2),
  },
  {
    title: "of a gradient",
    body: `latent h : binary[2]
      density p(v, h) { energy -sum(grad[y = v](sum(grad[z = y + b](sum(z^3)) * h))) }`,
    hidden: bits(2),
    energy: ([v1 = 0, v2 = 0], [h1 = 0, h2 = 0]) => -6 * ((v1 + b1) * h1 + (v2 + b2) * h2),
  },
  {
    title: "in a net that is written out",
    body: `net f(x, c) { s = grad[y = x](sum(y^2 * c)) return s }
      latent h : binary[2]
      density p(v, h) { energy -sum(f(v, b) * h) - f(h, b)[1] * 0.3 }`,
    hidden: bits(2),
    energy: ([v1 = 0, v2 = 0], [h1 = 0, h2 = 0]) => -2 * (v1 * b1 * h1 + v2 * b2 * h2) - 0.6 * h1 * b1,
  },
  {
    title: "in a function of its own, of values with axes of their own",
    body: `net f(x, c) { s = grad[y = x](sum(y^2 * c * b)) return s }
      latent h : binary[2]
      density p(v, h) { energy -sum(f(v, h) * h) + f(h + 1, v)[2] + f(b, v)[1] }`,
    hidden: bits(2),
    energy: ([v1 = 0, v2 = 0], [h1 = 0, h2 = 0]) =>
      -2 * (v1 * h1 * b1 * h1 + v2 * h2 * b2 * h2) + 2 * (h2 + 1) * v2 * b2 + 2 * b1 * v1 * b1,
  },
  {
    title: "in the one-hot vector of a category",
    body: "latent z : category[2] density p(v, z) { energy -sum(grad[y = onehot(z)](sum(y^2 * b * v) + y[1] * y[2] * v[1])) }",
    hidden: [[0], [1]],
    energy: ([v1 = 0, v2 = 0], [z = 0]) => {
      const [y1, y2] = z === 0 ? [1, 0] : [0, 1];
      return -(2 * (y1 * b1 * v1 + y2 * b2 * v2) + (y1 + y2) * v1);
    },
  },
  {
    title: "in a label's row of a table",
    body: "latent z : category[2] density p(v, z) { energy -sum(grad[y = v](sum(y) * b[z] * y[2])) }",
    hidden: [[0], [1]],
    energy: ([v1 = 0, v2 = 0], [z = 0]) => -(z === 0 ? b1 : b2) * (v2 + (v1 + v2) + v2),
  },
];

describe("an energy with a gradient", () => {
  it.each(cases)("has its likelihood: $title", async ({ body, hidden, energy }) => {
    const { model } = loadModel(`model M {
      data v : binary[2]
      param b : real[2]
      ${body}
      train { maximize log p(v) optimizer = sgd(lr = 0.1), batch = 1, steps = 1 }
    }`);
    const states = bits(2);
    const weights = { b: [b1, b2] };
    const unnormalised = states.map((v) => logSum(hidden.map((h) => -energy(v, h))));
    const exact = unnormalised.map((u) => u - logSum(unnormalised));
    const value = async (rows: readonly Numbers[]): Promise<number> =>
      (await gradientsOf(model, { weights, data: { v: rows.flat() }, rows: rows.length })).value.mean[0]!;
    const found: number[] = [];
    for (const v of states) found.push(await value([v]));
    found.forEach((log, i) => expect(log, `log p(${states[i]!.join()})`).toBeCloseTo(exact[i]!, 5));
    expect(found.reduce((total, log) => total + Math.exp(log), 0)).toBeCloseTo(1, 5);
    // the rows of a batch do not meet
    expect(await value(states)).toBeCloseTo(exact.reduce((a, b) => a + b, 0) / states.length, 5);
  });
});
