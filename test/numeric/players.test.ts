/**
 * Games of other shapes than the library's: for each statement by itself, the weights that get a gradient are those that it names, and the gradient is
 * that of differences in the same draws.
 */
import { describe, expect, it } from "vitest";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

interface Game {
  readonly text: string;
  /** A statement, and the nets that it moves. */
  readonly players: readonly (readonly [statement: string, owned: string])[];
}

const games: Readonly<Record<string, Game>> = {
  "BiGAN with a joint discriminator (Donahue et al. 2017; Dumoulin et al. 2017)": {
    text: `
model BiGAN(D = 3, H = 6, Z = 2) {
  data x : real[D]
  latent z : real[Z]
  net E(x) = x |> dense(H) |> tanh |> dense(Z)
  net G(z) = z |> dense(H) |> tanh |> dense(D)
  net joint(x, z) = concat(x, z) |> dense(H) |> leaky_relu(0.2) |> dense(1) |> sum
  density p(x, z) { z ~ Normal(0, 1)  x = G(z) }
  density q(z | x) { z = E(x) }
  objective V = E[x ~ data, ze ~ q(z | x)](log(sigmoid(joint(x, ze)))) + E[xf, zf ~ p(x, z)](log(1 - sigmoid(joint(xf, zf))))
  TRAIN
}`,
    players: [
      ["maximize V over joint", "joint"],
      ["minimize V over G, E", "G E"],
    ],
  },
  "InfoGAN, its trunk shared by the critic and the guess (Chen et al. 2016)": {
    text: `
model InfoGAN(D = 3, H = 6, Z = 2, K = 4) {
  data x : real[D]
  latent z : real[Z], c : category[K]
  net G(z, c) = concat(z, c |> embedding(3)) |> dense(H) |> tanh |> dense(D)
  net trunk(x) = x |> dense(H) |> leaky_relu(0.2)
  net critic(x) = trunk(x) |> dense(1) |> sum
  net guess(x) = trunk(x) |> dense(K)
  density p(x, z, c) { c ~ Categorical(logits = zeros(K))  z ~ Normal(0, 1)  x = G(z, c) }
  density q(c | x) { c ~ Categorical(logits = guess(x)) }
  objective V = E[x ~ data](log(sigmoid(critic(x)))) + E[x ~ p(x)](log(1 - sigmoid(critic(x))))
  objective I = E[x, z, c ~ p(x, z, c)](log q(c | x))
  TRAIN
}`,
    players: [
      ["maximize V over critic, trunk", "critic trunk"],
      ["maximize I - V over G, guess", "G guess"],
    ],
  },
  "a conditional WGAN-GP": {
    text: `
model CondWGAN(D = 3, H = 6, Z = 2, K = 4) {
  data x : real[D], y : category[K]
  latent z : real[Z]
  net G(z, y) = concat(z, onehot(y)) |> dense(H) |> tanh |> dense(D)
  net critic(x, y) = concat(x, onehot(y)) |> dense(H) |> softplus |> dense(1) |> sum
  density p(x, z | y) { z ~ Normal(0, 1)  x = G(z, y) }
  objective W = E[x, y ~ data](critic(x, y)) - E[y ~ data, xf ~ p(x | y)](critic(xf, y))
  objective P = E[x, y ~ data, xf ~ p(x | y), u ~ Uniform(0, 1)]((norm(grad[v = u * x + (1 - u) * xf](critic(v, y))) - 1)^2)
  TRAIN
}`,
    players: [
      ["maximize W - 10 * P over critic", "critic"],
      ["minimize W over G", "G"],
    ],
  },
  "an energy-based GAN with two generators (Zhao et al. 2017)": {
    text: `
model EBGAN(D = 3, H = 6, Z = 2) {
  data x : real[D]
  latent z : real[Z]
  net G(z) = z |> dense(H) |> tanh |> dense(D)
  net G2(z) = z |> dense(H) |> relu |> dense(D)
  net enc(x) = x |> dense(H) |> tanh |> dense(2)
  net dec(h) = h |> dense(H) |> tanh |> dense(D)
  net energyOf(x) = sum((x - dec(enc(x)))^2)
  density p(x, z) { z ~ Normal(0, 1)  x = G(z) }
  density r(x, z) { z ~ Normal(0, 1)  x = G2(z) }
  objective L = E[x ~ data](energyOf(x)) + E[x ~ p(x)](relu(1 - energyOf(x))) + E[x ~ r(x)](relu(1 - energyOf(x)))
  objective F = E[x ~ p(x)](energyOf(x))
  objective F2 = E[x ~ r(x)](energyOf(x))
  TRAIN
}`,
    players: [
      ["minimize L over enc, dec", "enc dec"],
      ["minimize F over G", "G"],
      ["minimize F2 over G2", "G2"],
    ],
  },
};

const rows = 4;
/** Exact in single precision. */
const step = 2 ** -7;

const spread = (n: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.fround(Math.round(64 * Math.sin(1.7 * (i + 1) * seed + seed)) / 64));

describe("players of games", () => {
  const cases = Object.entries(games).flatMap(([name, { text, players }]) =>
    players.map(([statement, owned]) => ({ name, text, statement, owned: owned.split(" ") })),
  );
  it.each(cases)("$name: `$statement`", async ({ text, statement, owned }) => {
    const { model } = loadModel(text.replace("TRAIN", `train { ${statement}  batch = ${rows} }`));
    const weights = Object.fromEntries(
      leavesOf(model.weights).map(({ path, spec }, i) => [
        path,
        spread(
          spec.shape.reduce((a, b) => a * b, 1),
          i + 1,
        ),
      ]),
    );
    const x = spread(3 * rows, 3);
    const data: Readonly<Record<string, number[]>> = text.includes("y : category") ? { x, y: [0, 3, 1, 1] } : { x };
    const at = (path: string, i: number, by: number): Promise<number> =>
      gradientsOf(model, {
        weights: { ...weights, [path]: (weights[path] ?? []).map((v, j) => (j === i ? v + by : v)) },
        data,
        rows,
      }).then(({ value }) => value.mean[0] ?? NaN);
    const { gradients } = await gradientsOf(model, { weights, data, rows });
    const paths = Object.keys(gradients);
    const nets = new Set(paths.map((path) => path.split(".")[0]));
    expect([...nets].sort()).toEqual([...owned].sort());
    let moved = 0;
    for (const path of paths) {
      const found = gradients[path]?.mean ?? [];
      const i = Math.floor(found.length / 2);
      const slope = ((await at(path, i, step)) - (await at(path, i, -step))) / (2 * step);
      const g = found[i] ?? NaN;
      expect(Math.abs(g - slope), `${path}[${i}]: ${g} and ${slope}`).toBeLessThan(4e-3 * (1 + Math.abs(slope)));
      if (Math.abs(g) > 1e-3) moved++;
    }
    expect(moved).toBeGreaterThan(0);
  });
});

it("two translators that hold to one cycle, each in a statement of its own, are no generator and its critic", () => {
  const { compiled } = loadModel(`
model Two(D = 2) {
  data a : real[D]
  data b : real[D]
  net to_b(a) = a |> dense(D)
  net to_a(b) = b |> dense(D)
  net critic_a(a) = a |> dense(3) |> relu |> dense(1) |> sum
  net critic_b(b) = b |> dense(3) |> relu |> dense(1) |> sum
  density p(b | a) { b = to_b(a) }
  density q(a | b) { a = to_a(b) }
  objective cycle = E[a ~ data, bf ~ p(b | a)](sum((to_a(bf) - a)^2))
  train {
    maximize Hinge(q, critic_a) + Hinge(p, critic_b) over critic_a, critic_b
    maximize Fool(p, critic_b) - cycle over to_b
    maximize Fool(q, critic_a) - cycle over to_a
    batch = 4
  }
}`);
  expect(compiled.diagnostics.map((d) => d.code)).toEqual([]);
});
