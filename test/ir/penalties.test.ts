/** Penalties on slopes, held against the gradient that a statement has: which way it moves the critic's scale, and whether it moves it at all. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

const codesOf = (text: string): readonly string[] => compile({ path: "model.gm", text }).diagnostics.map((d) => d.code);

const game = (train: string, more = "", critic = "x |> dense(H) |> tanh |> dense(1) |> sum"): string => `
model Game(D = 2, H = 4) {
  data x : real[D]
  latent z : real[D]
  net G(z) = z |> dense(H) |> tanh |> dense(D)
  net D1(x) = ${critic}
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  ${more}
  train { ${train}  batch = 8 }
}`;

/** Steep: all slopes are above 1. */
const kernels: Readonly<Record<string, readonly number[]>> = {
  "D1.dense1.kernel": [0.5, -0.25, 0.75, 0.5, -0.5, 0.25, 1, 0.5],
  "D1.dense1.bias": [0, 0.25, -0.25, 0],
  "D1.dense2.kernel": [5, -3, 4, 6],
  "D1.dense2.bias": [0],
  "G.dense1.kernel": [0.5, -0.25, 0.75, 0.5, -0.5, 0.25, 1, 0.5],
  "G.dense1.bias": [0, 0.25, -0.25, 0],
  "G.dense2.kernel": [0.5, 0.25, -0.5, 1, 0.75, -0.25, 0.5, 0.5],
  "G.dense2.bias": [0, 0],
};

/** What a term changes by as the critic's last kernel, and with it all slopes, is multiplied: its loss's gradient along the kernel. */
async function slopeOf(term: string): Promise<number> {
  const { model } = loadModel(game(`maximize ${term} over D1`));
  const weights = Object.fromEntries(Object.entries(kernels).map(([name, values]) => [name, [...values]]));
  const { gradients } = await gradientsOf(model, {
    weights,
    data: { x: Array.from({ length: 16 }, (_, i) => Math.sin(i)) },
    rows: 8,
  });
  const along = gradients["D1.dense2.kernel"]?.mean ?? [];
  return [...along].reduce((sum, g, i) => sum + g * (kernels["D1.dense2.kernel"]?.[i] ?? 0), 0);
}

const between = "E[x ~ data, xf ~ p(x), u ~ Uniform(0, 1)]";
const slope = "grad[y = u * x + (1 - u) * xf](D1(y))";

describe("a penalty on slopes", () => {
  const terms = [
    "R1(x, D1)",
    "GradientPenalty(p, D1)",
    "E[x ~ data](norm(grad[x](D1(x))))",
    "E[x ~ data](sum(abs(grad[x](D1(x)))))",
    "E[x ~ data](relu(norm(grad[x](D1(x))) - 0.5)^2)",
    "E[x ~ data](-sqrt(1 + sum(grad[x](D1(x))^2)))",
    "E[x ~ data](log(1 + norm(grad[x](D1(x))))) / 2",
    `${between}((1 - norm(${slope}))^2)`,
    `mean(${between}(-abs(norm(${slope}) - 1)))`,
  ];
  it.each(terms)("%s: rewarded where its gradient raises slopes", async (term) => {
    const up = await slopeOf(term);
    expect(Math.abs(up)).toBeGreaterThan(1e-3);
    const found = (statement: string): boolean => codesOf(game(`${statement} over D1  minimize GAN(p, D1) over G`)).includes("GM3756");
    expect([
      found(`maximize GAN(p, D1) + ${term}`),
      found(`maximize GAN(p, D1) - 10 * ${term}`),
      found(`minimize -GAN(p, D1) + 10 * ${term}`),
      found(`minimize -GAN(p, D1) - ${term}`),
    ]).toEqual(up > 0 ? [true, false, false, true] : [false, true, true, false]);
  });

  const stopped = [
    "stop(R1(x, D1))",
    "E[x ~ data](sum(stop(grad[x](D1(x)))^2))",
    "E[x ~ data](sum(grad[x](stop(D1(x)))^2))",
    "E[x ~ data](sum(grad[x](D1(stop(x)))^2))",
    "E[x ~ data](sum(grad[x](D1(sign(x)))^2))",
  ];
  it.each(stopped)("%s: moves nothing, and is said to", async (term) => {
    expect(await slopeOf(`${term} + 0 * GAN(p, D1)`)).toBe(0);
    expect(codesOf(game(`maximize GAN(p, D1) - ${term} over D1  minimize GAN(p, D1) over G`))).toEqual(["GM3757"]);
    expect(codesOf(game(`maximize WGAN(p, D1) - ${term} over D1  minimize WGAN(p, D1) over G`))).toEqual(["GM3748"]);
  });

  const steepness = "E[z ~ Normal(zeros(D), 1)](norm(grad[w = z](sum(G(w)))))";
  const diverse = (term: string): string => `maximize GAN(p, D1) over D1  maximize NonSaturating(p, D1) + 0.1 * ${term} over G`;
  const silent: readonly (readonly [string, string])[] = [
    [
      "a capped reward of a critic's slopes",
      "maximize GAN(p, D1) + E[x ~ data](min(norm(grad[x](D1(x))), 1)) over D1  minimize GAN(p, D1) over G",
    ],
    ["one that goes to a bound", "maximize GAN(p, D1) - E[x ~ data](exp(-norm(grad[x](D1(x))))) over D1  minimize GAN(p, D1) over G"],
    ["a generator of steep slopes", diverse(steepness)],
    ["up to a cap", diverse(steepness.replace("norm(grad[w = z](sum(G(w))))", "min(norm(grad[w = z](sum(G(w)))), 1)"))],
    ["under a logarithm", diverse(steepness.replace("(norm(", "(log(1e-3 + norm(").replace(/\)$/u, "))"))],
    ["the objective of both, with the penalty in it", "maximize GAN(p, D1) - R1(x, D1) over D1  minimize GAN(p, D1) - R1(x, D1) over G"],
    [
      "a slope that moves a point",
      "maximize GAN(p, D1) + E[x ~ data](log_sigmoid(D1(x + stop(grad[x](D1(x)))))) over D1  minimize GAN(p, D1) over G",
    ],
    ["a slope along a direction", "maximize GAN(p, D1) + E[x ~ data](tanh(sum(grad[x](D1(x)) * x))) over D1  minimize GAN(p, D1) over G"],
  ];
  it.each(silent)("%s gets no word", (_name, train) => expect(codesOf(game(train))).toEqual([]));
});

describe("a sigmoid of what is squashed", () => {
  const logits = "x |> dense(H) |> tanh |> dense(1) |> sum";
  const gan = "maximize GAN(p, D1) over D1  minimize GAN(p, D1) over G";
  const own = "maximize E[x ~ data](-softplus(-D1(x))) - E[xf ~ p(x)](softplus(D1(xf))) over D1  maximize NonSaturating(p, D1) over G";
  const cases: readonly (readonly [string, string, string, readonly string[]])[] = [
    ["a sigmoid", `${logits} |> sigmoid`, gan, ["GM3758"]],
    ["of each entry", "x |> dense(H) |> tanh |> dense(1) |> sigmoid |> sum", gan, ["GM3758"]],
    ["a relu", `${logits} |> relu`, gan, ["GM3758"]],
    ["an exponential of what is negative", `exp(-softplus(${logits}))`, gan, ["GM3758"]],
    ["softplus in place of the logarithm", `${logits} |> sigmoid`, own, ["GM3758"]],
    ["tanh, of either sign", `${logits} |> tanh`, gan, []],
    ["logits", logits, own, []],
    ["another loss", `${logits} |> sigmoid`, "minimize LeastSquares(p, D1) over D1  minimize LeastSquaresFool(p, D1) over G", []],
    [
      "probabilities, and their logarithm",
      `${logits} |> sigmoid`,
      "maximize E[x ~ data](log(D1(x))) + E[xf ~ p(x)](log(1 - D1(xf))) over D1  maximize E[xf ~ p(x)](log(D1(xf))) over G",
      [],
    ],
  ];
  it.each(cases)("%s", (_name, critic, train, codes) => expect(codesOf(game(train, "", critic))).toEqual(codes));

  it("is told of a softmax twice", () => {
    const classifier = (last: string): string => `model C(D = 2, K = 3) {
      data x : real[D], y : category[K]
      net f(x) = x |> dense(K)${last}
      train { maximize E[x, y ~ data](log_softmax(f(x))[y])  batch = 4 }
    }`;
    expect(codesOf(classifier(" |> softmax"))).toEqual(["GM3758"]);
    expect(codesOf(classifier(""))).toEqual([]);
  });
});

describe("features that are moved to agree", () => {
  const features = "x |> dense(H) |> relu";
  const both = "minimize FeatureMMD(p, D1) over D1  minimize FeatureMMD(p, D1) over G";
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["two statements", both, ["GM3744"]],
    ["two statements, by signs", "maximize -FeatureMMD(p, D1) over D1  minimize 2 * FeatureMMD(p, D1) over G", ["GM3744"]],
    ["one statement", "minimize FeatureMMD(p, D1)", ["GM3744"]],
    ["means", "minimize FeatureMatching(p, D1)", ["GM3744"]],
    ["written out", "minimize E[x ~ data, xf ~ p(x)](norm(batch_mean(2 * D1(x)) - batch_mean(2 * D1(xf)))) over D1, G", ["GM3744"]],
    ["features that play against it", "maximize FeatureMMD(p, D1) over D1  minimize FeatureMMD(p, D1) over G", []],
    ["features that stay", "minimize FeatureMMD(p, D1) over G", ["GM3510"]],
    ["features of an autoencoder", "minimize FeatureMMD(p, D1) + E[x ~ data](sum((x - dec(D1(x)))^2)) over D1, G, dec", []],
    [
      "features of an autoencoder, each its own",
      "minimize FeatureMMD(p, D1) over G  minimize E[x ~ data](sum((x - dec(D1(x)))^2)) over D1, dec",
      [],
    ],
    ["samples alone", "minimize E[xf ~ p(x)](sum(D1(xf)^2)) over G  minimize E[x ~ data](sum((x - dec(D1(x)))^2)) over D1, dec", []],
  ];
  it.each(cases)("%s", (_name, train, codes) =>
    expect(codesOf(game(train, train.includes("dec") ? "net dec(h) = h |> dense(D)" : "", features))).toEqual(codes),
  );

  it("is not told of a net that keeps what it reads", () => {
    expect(codesOf(game(both, "", "x + 0 * (x |> dense(D))"))).not.toContain("GM3744");
  });
});

describe("normalised layers and what stands between them", () => {
  const wgan = "maximize WGAN(p, D1) over D1  minimize WGAN(p, D1) over G";
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["a root", "h |> relu |> sqrt", ["GM3748"]],
    ["a root within bounds", "tanh(sqrt(relu(h)))", ["GM3748"]],
    ["a root away from 0", "sqrt(relu(h) + 0.1)", []],
    ["a power below 1", "relu(h)^0.5", ["GM3748"]],
    ["a logarithm", "log(relu(h))", ["GM3748"]],
    ["a logarithm away from 0", "log(1 + relu(h))", []],
    ["a quotient by a mean", "h / mean(h)", ["GM3748"]],
    ["a quotient by a norm", "h / norm(h)", ["GM3748"]],
    ["a projection into a ball", "h / maximum(norm(h), 1)", []],
    ["a quotient by what is bounded", "h / (1 + sigmoid(h))", ["GM3748"]],
    ["a root of squares", "sqrt(h^2)", []],
    ["a quotient by a number", "h / 2", []],
  ];
  const critic = "x |> dense(H, spectral = true) |> between |> dense(1, spectral = true) |> sum";
  const text = (f: string, train: string): string => game(train, "", critic).replace("net D1", `net between(h) = ${f}\n  net D1`);
  it.each(cases)("%s", (_name, f, codes) => expect(codesOf(text(f, wgan))).toEqual(codes));

  it("is told of clipped weights too", () => {
    const clipped = `${wgan}  constrain D1.weights in [-0.1, 0.1]`;
    expect(codesOf(text("h |> relu |> sqrt", clipped))).toEqual(["GM3748"]);
    expect(codesOf(text("h^2", clipped))).toEqual([]);
  });
});
