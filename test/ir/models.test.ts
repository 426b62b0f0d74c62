/** Models of the lecture that this version does not derive are still read in full: their IR says what they are. */
import { describe, expect, test } from "vitest";
import { elaborateText } from "./support.js";

function ir(text: string) {
  const result = elaborateText(text);
  expect(result.text).toBe("");
  if (!result.ir) throw new Error("no model");
  return result.ir;
}

describe("energies", () => {
  test("restricted Boltzmann machine", () => {
    const model = ir(`model RBM(D = 784, H = 500) {
      data v : binary[D]
      latent h : binary[H]
      param W : real[D, H] init Normal(0, 0.01), a : real[H] = 0, b : real[D] = 0
      density p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }
      train { maximize log p(v) by pcd(k = 1, chains = 100) }
    }`);
    expect(model.densities[0]?.statements.map((s) => s.kind)).toEqual(["energy"]);
    expect(model.train[0]?.updates[0]?.by[0]?.estimators).toMatchObject([{ name: "pcd", options: { k: 1, chains: 100 } }]);
    expect(model.params.map((p) => p.init.kind)).toEqual(["distribution", "constant", "constant"]);
  });

  test("deep belief net: an energy on top, directed below", () => {
    const model = ir(
      `model DBN {
      data v : binary[784]
      latent h1 : binary[500], h2 : binary[200]
      param W1 : real[784, 500], W2 : real[500, 200], a2 : real[200], b1 : real[500], b0 : real[784]
      density p(v, h1, h2) {
        energy -(h1 @ W2 @ h2) - a2 @ h2 - b1 @ h1
        v ~ Bernoulli(logits = h1 @ transpose(W1) + b0)
      }
      density r1(h1 | v) { h1 ~ Bernoulli(logits = v @ W1) }
      train {
        phase "top" { maximize E[h1 ~ r1(h1 | v)](log p(h1, h2 | v = v)) by cd(k = 1)  batch = 20 }
      }
    }`.replace("log p(h1, h2 | v = v)", "log p(h1)"),
    );
    expect(model.densities[0]?.statements.map((s) => s.kind)).toEqual(["energy", "draw"]);
    expect(model.train.map((p) => p.name)).toEqual(["top"]);
  });

  test("replicated softmax and at most one of a block", () => {
    const model = ir(`model RS(V = 2000, H = 50) {
      data v : count[V]
      latent h : binary[H] at_most_one(2)
      param W : real[V, H], a : real[H], b : real[V]
      density p(v, h) { energy -(v @ W @ h) - b @ v - sum(v) * (a @ h) }
      train { maximize log p(v) by mean_field(steps = 10) and pcd(k = 5, chains = 100) }
    }`);
    expect(model.variables.get("h")?.domain.atMostOne).toEqual([2]);
    expect(model.train[0]?.updates[0]?.by[0]?.estimators.map((e) => e.name)).toEqual(["mean_field", "pcd"]);
  });
});

describe("two players", () => {
  test("GAN", () => {
    const model = ir(`model GAN(D = 784, Z = 64) {
      data x : real[D]
      latent z : real[Z]
      net G(z) = z |> dense(128) |> relu |> dense(D)
      net D1(x) = x |> dense(128) |> relu |> dense(1) |> sum
      density p(x, z) { z ~ Normal(0, 1)   x = G(z) }
      objective V = E[x ~ data](log(sigmoid(D1(x)))) + E[x ~ p(x)](log(1 - sigmoid(D1(x))))
      train { maximize V over D1, steps = 5, optimizer = rmsprop(lr = 5e-5)   minimize V over G   constrain D1.weights in [-0.01, 0.01] }
    }`);
    const [up, down] = model.train[0]?.updates ?? [];
    expect([up?.direction, up?.over, up?.name]).toEqual(["maximize", ["D1"], "V"]);
    expect([down?.direction, down?.over]).toEqual(["minimize", ["G"]]);
    expect(up?.settings.map((s) => s.name)).toEqual(["steps", "optimizer"]);
    expect(model.train[0]?.constraints).toMatchObject([{ over: "D1", bound: { kind: "in", low: -0.01, high: 0.01 } }]);
    expect(model.densities[0]?.statements.map((s) => s.kind)).toEqual(["draw", "define"]);
  });

  test("gradient penalty: renamed draws, draws from a distribution, a gradient", () => {
    const model = ir(`model WGANGP(D = 784, Z = 64) {
      data x : real[D]
      latent z : real[Z]
      net G(z) = z |> dense(D)
      net C(x) = x |> dense(1) |> sum
      density p(x, z) { z ~ Normal(0, 1)   x = G(z) }
      objective penalty = E[x ~ data, xf ~ p(x), u ~ Uniform(0, 1)]((norm(grad[y = u * x + (1 - u) * xf](C(y))) - 1)^2)
      train { minimize penalty over C }
    }`);
    const value = model.objectives[0]?.value;
    if (value?.kind !== "expectation") throw new Error("no expectation");
    expect(value.draws.map((d) => d.source.kind)).toEqual(["data", "density", "distribution"]);
    expect(value.draws[1]?.names).toMatchObject([{ kind: "local", of: "x" }]);
    expect(value.draws[2]?.names).toMatchObject([{ kind: "local", of: undefined, local: { type: { shape: [] } } }]);
  });

  test("two streams are independent", () => {
    const model = ir(`model Cycle {
      data a : real[8]
      data b : real[8], label : category[3]
      net F(a) = a |> dense(8)
      objective o = E[b, label ~ data](sum((F(a) - b + embedding(label, 8))^2))
      train { minimize o }
    }`);
    expect(model.streams).toEqual([["a"], ["b", "label"]]);
  });
});

test("wake-sleep", () => {
  const model = ir(`model Helmholtz {
    data x : binary[64]
    latent z : binary[16]
    net g(z) = z |> dense(64)
    net r(x) = x |> dense(16)
    param b : real[16] = 0
    density p(x, z) { z ~ Bernoulli(logits = b)   x ~ Bernoulli(logits = g(z)) }
    density q(z | x) { z ~ Bernoulli(logits = r(x)) }
    train {
      maximize Wake(p, q) over p
      maximize Sleep(p, q) over q
    }
  }`);
  expect(model.train[0]?.updates.map((u) => u.over)).toEqual([["b", "g"], ["r"]]);
});

test("sparse coding: an optimum over a latent, a norm that is limited", () => {
  const model = ir(`model Sparse(D = 64, K = 128) {
    data x : real[D]
    latent z : real[K]
    param A : real[K, D] init Normal(0, 0.1)
    density p(x, z) { z ~ Laplace(0, 1)   x ~ Normal(z @ A, 0.1) }
    train {
      maximize max[z](log p(x, z)) by ista(steps = 50)
      constrain norm(A, axis = 2) <= 1
    }
  }`);
  expect(model.train[0]?.updates[0]?.value).toMatchObject({ kind: "optimum", op: "max", variables: ["z"] });
  expect(model.train[0]?.constraints).toMatchObject([{ over: "A", bound: { kind: "maxNorm", axis: 1, limit: 1 } }]);
});

test("semi-supervised: a label that may be missing, helpers, mixtures", () => {
  const model = ir(`model M(K = 3) {
    data x : real[2], y : category[K]?
    param mu : real[2, K], s : positive[2, K]
    density p(x) { x ~ Mixture(logits = zeros(2, K), of = Normal(mu, s)) }
    density g(x) { u ~ Normal(zeros(2), 1)   x ~ Normal(u, 1) }
    density r(y) { y ~ Categorical(logits = zeros(K)) }
    train { maximize log p(x) }
  }`);
  expect(model.variables.get("y")?.domain.optional).toBe(true);
  expect(model.densities[0]?.statements[0]).toMatchObject({ kind: "draw", dist: { dist: "Mixture", of: { dist: "Normal" } } });
  expect(model.variables.get("u")).toMatchObject({ role: "helper", domain: { shape: [{ size: 2 }] } });
});

test("settings under the runtime's names; a metric by its line", () => {
  const model = ir(`model M {
    data x : real[2]
    param b : real[2] = 0
    objective o = sum((x - b)^2)
    train {
      minimize o, optimizer = momentum(lr = warmup(cosine(1e-3, 0, epochs = 5), steps = 10), nesterov = true)
      batch = 20, epochs = 3, clip_norm = 1, weight_decay = 1e-4, ema = 0.99, early_stopping = (metric = loss, patience = 2)
    }
    evaluate { loss = o }
  }`);
  const phase = model.train[0];
  expect(phase?.settings.map((s) => s.name)).toEqual(["batch", "epochs", "clipNorm", "weightDecay", "ema", "earlyStopping"]);
  expect(phase?.settings.at(-1)?.value).toEqual({
    kind: "call",
    name: "earlyStopping",
    args: { metric: { kind: "text", value: "loss" }, patience: { kind: "static", value: 2 } },
  });
  expect(phase?.updates[0]?.settings[0]?.value).toMatchObject({
    name: "momentum",
    args: { lr: { name: "warmup", args: { then: { name: "cosine" }, steps: { value: 10 } } }, nesterov: { value: true } },
  });
});
