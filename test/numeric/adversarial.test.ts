/** Games: gradients of gradients against finite differences, gradients of players against hand-written ones, who moves and who does not, known optima. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { hostStream, mean, referenceEngine, type ModelDefinition } from "../../src/runtime/index.js";
import { train } from "../../src/runtime/training.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { loadDataset, train as trainOnNode } from "../../src/runtime/node/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel, runModel, type Loaded } from "../support/model.js";

const spread = (n: number, scale = 1, seed = 1): number[] =>
  Array.from({ length: n }, (_, i) => Math.fround(scale * Math.sin(1.7 * (i + 1) * seed + seed)));

const sizes = (model: ModelDefinition): readonly (readonly [string, number])[] =>
  leavesOf(model.weights).map(({ path, spec }) => [path, spec.shape.reduce((a, b) => a * b, 1)]);

const stateOf = (model: ModelDefinition): Record<string, number[]> => {
  const state = Object.fromEntries(sizes(model).map(([path, n], i) => [path, spread(n, 0.6, i + 1)]));
  for (const path of Object.keys(state))
    if (path.endsWith(".singular")) state[path] = singularOf(state[path.replace(/singular$/u, "kernel")] ?? [], state[path] ?? []);
  return state;
};

/** The left singular vector of a kernel [inputs, outputs] with the largest singular value: what a layer's power iteration ends at. */
function singularOf(kernel: readonly number[], start: readonly number[]): number[] {
  let left = [...start];
  for (let i = 0; i < 3000; i++) {
    const right = Array.from({ length: kernel.length / left.length }, (_, row) =>
      left.reduce((s, v, col) => s + v * (kernel[row * left.length + col] ?? NaN), 0),
    );
    const next = left.map((_, col) => right.reduce((s, v, row) => s + v * (kernel[row * left.length + col] ?? NaN), 0));
    left = next.map((v) => v / Math.hypot(...next));
  }
  return left.map(Math.fround);
}

const game = (critic: string, train: string): string => `
model Game(D = 3, H = 5) {
  data x : real[D]
  latent z : real[2]
  net G(z) = z |> dense(H) |> tanh |> dense(D)
  net critic(x) = ${critic}
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train { ${train} batch = 4 }
}`;

/** Gradients of the first update as training takes them, and central differences of its value in the same draws. */
async function compareWithDifferences(
  loaded: Loaded,
  call: string,
  rows: number,
  width: number,
  event: readonly number[] = [width],
): Promise<void> {
  const { model } = loaded;
  const state = stateOf(model);
  const x = spread(rows * width, 1.2, 3);
  const { gradients } = await gradientsOf(model, { weights: state, data: { x }, rows });
  const value = (at: Record<string, number[]>): number => {
    const out = runModel(loaded, ({ f, w, x: data, key }) => ({ v: mean(f(call)(w, data["x"], key)) }), {
      data: { x: { shape: [rows, ...event], data: x } },
      state: at,
      seed: 1,
    });
    return out["v"]?.[0] ?? NaN;
  };
  const step = 1e-5;
  let compared = 0;
  for (const [path, { mean: found }] of Object.entries(gradients)) {
    found.forEach((g, i) => {
      const moved = (by: number): number => value({ ...state, [path]: (state[path] ?? []).map((v, j) => (j === i ? v + by : v)) });
      const expected = (moved(step) - moved(-step)) / (2 * step);
      expect(Math.abs(g - expected), `${path}[${i}]: ${g} and ${expected}`).toBeLessThan(1e-6 * (1 + Math.abs(expected)));
      compared++;
    });
  }
  expect(compared).toBeGreaterThan(10);
}

describe("gradients of gradients", () => {
  const activations = ["tanh", "softplus", "gelu", "sigmoid", "elu"];
  it.each(activations)("the penalty of a critic with %s has the gradient that differences of it have", async (activation) => {
    const loaded = loadModel(
      game(
        `x |> dense(H) |> ${activation} |> dense(H) |> ${activation} |> dense(1) |> sum`,
        "maximize WGAN(p, critic) - 10 * GradientPenalty(p, critic) over critic, G",
      ),
    );
    await compareWithDifferences(loaded, "objective", 4, 3);
  });

  it("through convolutions, normalisation and pooling", async () => {
    const loaded = loadModel(`
model Images(C = 2) {
  data x : real[6, 6, 1]
  latent z : real[2]
  net G(z) = z |> dense(3 * 3 * C) |> reshape(3, 3, C) |> tanh |> conv_transpose(1, 3, stride = 2)
  net critic(x) = x |> conv(C, 3) |> layer_norm |> tanh |> conv(C, 3, stride = 2) |> softplus |> global_avg_pool |> dense(1) |> sum
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train { maximize WGAN(p, critic) - 10 * GradientPenalty(p, critic) over critic, G   batch = 3 }
}`);
    const { model } = loaded;
    const state = stateOf(model);
    const x = spread(3 * 36, 1.2, 3);
    const { gradients } = await gradientsOf(model, { weights: state, data: { x }, rows: 3 });
    const value = (at: Record<string, number[]>): number =>
      runModel(loaded, ({ f, w, x: data, key }) => ({ v: mean(f("objective")(w, data["x"], key)) }), {
        data: { x: { shape: [3, 6, 6, 1], data: x } },
        state: at,
      })["v"]?.[0] ?? NaN;
    for (const [path, { mean: found }] of Object.entries(gradients)) {
      const i = Math.floor(found.length / 2);
      const moved = (by: number): number => value({ ...state, [path]: (state[path] ?? []).map((v, j) => (j === i ? v + by : v)) });
      const expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
      expect(Math.abs((found[i] ?? NaN) - expected), path).toBeLessThan(1e-6 * (1 + Math.abs(expected)));
    }
  });

  const shapes: Readonly<Record<string, string>> = {
    "leaky_relu and relu": "x |> dense(H) |> leaky_relu(0.2) |> dense(H) |> relu |> dense(1) |> sum",
    "spectral normalisation": "x |> dense(H, spectral = true) |> tanh |> dense(1, spectral = true) |> sum",
    "layer normalisation and maxima": "x |> dense(H) |> layer_norm |> softplus |> max",
    "attention over entries":
      "(softmax(reshape(x, D, 1) @ reshape(x, 1, D)) @ reshape(x, D, 1)) |> flatten |> dense(H) |> tanh |> dense(1) |> sum",
    "a set of entries": "x |> reshape(D, 1) |> set_dense(H) |> tanh |> max(axis = 1) |> dense(1) |> sum",
    "gates, norms and logarithms": "norm(x |> dense(2 * H) |> glu) + log(1 + sum((x |> dense(2))^2)) + logsumexp(x |> dense(H))",
    "quotients, powers and roots": "sqrt(1 + sum((x |> dense(H))^4)) / (2 + cos(sum(x |> dense(2))))",
    "slices, joins and running sums": "concat(x[1..2], cumsum(x), reverse(x)) |> dense(H) |> silu |> dense(1) |> sum",
    "clips, maxima of two and absolute values": "sum(maximum(abs(x |> dense(H)), clip(x |> dense(H), -0.7, 0.9))) ^ 2",
  };
  it.each(Object.entries(shapes))("the penalty of a critic with %s has the gradient that differences of it have", async (_name, critic) => {
    await compareWithDifferences(
      loadModel(game(critic, "maximize WGAN(p, critic) - 10 * GradientPenalty(p, critic) over critic, G")),
      "objective",
      4,
      3,
    );
  });

  const images: Readonly<Record<string, string>> = {
    "instance normalisation and mirrored borders":
      'x |> reflect_pad(1) |> conv(C, 3, padding = "valid") |> instance_norm |> tanh |> conv(1, 3) |> mean',
    "patches and transposed convolutions":
      "x |> conv(C, 3, stride = 2) |> leaky_relu(0.2) |> conv_transpose(C, 3, stride = 2) |> tanh |> patch_critic(C, 1) |> mean",
    "pools and larger pictures": "x |> upsample(2) |> conv(C, 3) |> max_pool(2) |> softplus |> avg_pool(3) |> flatten |> dense(1) |> sum",
    "normalised groups and spectral norms":
      "x |> conv(C, 3, spectral = true) |> group_norm(1) |> tanh |> global_avg_pool |> dense(1) |> sum",
  };
  it.each(Object.entries(images))("so has that of a critic of images with %s", async (_name, critic) => {
    const loaded = loadModel(`
model Images(C = 2) {
  data x : real[6, 6, 1]
  latent z : real[2]
  net G(z) = z |> dense(36) |> reshape(6, 6, 1)
  net critic(x) = ${critic}
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train { maximize WGAN(p, critic) - 10 * GradientPenalty(p, critic) over critic   batch = 3 }
}`);
    await compareWithDifferences(loaded, "objective", 3, 36, [6, 6, 1]);
  });

  it("a critic that reads the batch has the gradient that differences of its objective have", async () => {
    const critic = "x |> dense(H) |> tanh |> minibatch_discrimination(2, 3) |> dense(1) |> sum";
    const loaded = loadModel(game(critic, "maximize GAN(p, critic) - 0.5 * NonSaturating(p, critic) over critic, G"));
    await compareWithDifferences(loaded, "objective", 4, 3);
  });

  it("a gradient in a value counts that value alone", () => {
    const loaded = loadModel(`
model M {
  data x : real[2]
  param w : real[2]
  objective f = sum(grad[y = x](sum(y * x * w)))
  train { maximize f }
}`);
    const state = { w: [0.5, -2] };
    const out = runModel(loaded, ({ f, w, x }) => ({ v: f("f")(w, x["x"]) }), {
      data: { x: { shape: [2, 2], data: [1, 2, 3, 4] } },
      state,
    });
    // d/dy sum(y x w) = x w, not 2 x w
    expect(out["v"]).toEqual([1 * 0.5 - 2 * 2, 3 * 0.5 - 2 * 4]);
  });

  it("each row has its own gradient in a value that has no rows", () => {
    const loaded = loadModel(`
model M {
  data x : real[2]
  param w : real[2]
  objective f = norm(grad[v = w](sum(x * v ^ 2)))
  train { maximize f }
}`);
    const out = runModel(loaded, ({ f, w, x }) => ({ v: f("f")(w, x["x"]) }), {
      data: { x: { shape: [2, 2], data: [1, 2, 3, 4] } },
      state: { w: [0.5, -2] },
    });
    expect(out["v"]?.[0]).toBeCloseTo(Math.hypot(2 * 1 * 0.5, 2 * 2 * -2), 12);
    expect(out["v"]?.[1]).toBeCloseTo(Math.hypot(2 * 3 * 0.5, 2 * 4 * -2), 12);
  });
});

describe("players", () => {
  it("the gradient of a linear discriminator is the one written by hand", async () => {
    const loaded = loadModel(game("x |> dense(1) |> sum", "maximize GAN(p, critic) over critic minimize GAN(p, critic) over G"));
    const state = stateOf(loaded.model);
    const [rows, width] = [4, 3];
    const x = spread(rows * width, 1.2, 3);
    const { gradients } = await gradientsOf(loaded.model, { weights: state, data: { x }, rows });
    const fake = runModel(
      loaded,
      ({ f, w, key, rows: B }) => ({ x: (f("sampleP")(w, key, B, {}) as never as { values: { x: never } }).values.x }),
      {
        data: { x: { shape: [rows, width], data: x } },
        state,
        seed: 1,
      },
    )["x"] as number[];
    const kernel = state["critic.dense1.kernel"] ?? [];
    const [bias = 0] = state["critic.dense1.bias"] ?? [];
    const sigmoid = (t: number): number => 1 / (1 + Math.exp(-t));
    const score = (data: readonly number[], row: number): number => kernel.reduce((s, k, i) => s + k * (data[row * width + i] ?? 0), bias);
    const expected = kernel.map((_, i) => {
      let total = 0;
      for (let row = 0; row < rows; row++) {
        total += sigmoid(-score(x, row)) * (x[row * width + i] ?? 0) - sigmoid(score(fake, row)) * (fake[row * width + i] ?? 0);
      }
      return total / rows;
    });
    gradients["critic.dense1.kernel"]?.mean.forEach((g, i) => expect(g).toBeCloseTo(expected[i] ?? NaN, 6));
    expect(Object.keys(gradients).every((path) => path.startsWith("critic."))).toBe(true);
  });

  it("a player moves its weights alone, to the bit", async () => {
    const loaded = loadModel(`
model Game(D = 3, H = 5) {
  data x : real[D]
  latent z : real[2]
  net G(z) = z |> dense(H) |> tanh |> dense(D)
  net critic(x) = x |> dense(H) |> tanh |> dense(1) |> sum
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train {
    batch = 4
    phase "critic" { maximize GAN(p, critic) over critic }
    phase "generator" { minimize GAN(p, critic) over G }
  }
}`);
    const { model } = loaded;
    const dataset = datasetOf(model, { train: { x: Float32Array.from(spread(36, 1, 2)) } });
    const after = async (phases: number, steps: number): Promise<(net: string) => unknown> => {
      const definition = { ...model, train: model.train.slice(0, phases) };
      const trained = await train(definition, { data: dataset, engine: referenceEngine, seed: 7, steps });
      const weights = Object.entries(await trained.weights());
      trained.close();
      return (net) => weights.flatMap(([name, t]) => (name.startsWith(`${net}.`) ? [[name, Array.from(t.data)]] : []));
    };
    const [one, three, both] = [await after(1, 1), await after(1, 3), await after(2, 3)];
    expect(three("G")).toEqual(one("G"));
    expect(three("critic")).not.toEqual(one("critic"));
    expect(both("critic")).toEqual(three("critic"));
    expect(both("G")).not.toEqual(three("G"));
  });

  it("a game of one Gaussian ends where the generator is the data", async () => {
    const loaded = loadModel(`
model Line {
  data x : real[1]
  latent z : real[1]
  param m : real[1] = 0
  param s : real[1] = 2
  param a : real[1] = 0
  param b : real[1] = 0
  net G(z) = m + s * z
  net critic(x) = sum(a * x ^ 2 + b * x)
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train {
    maximize GAN(p, critic) - R1(x, critic, gamma = 0.5) over a, b
    minimize GAN(p, critic) over m, s
    optimizer = adam(lr = 2e-2, beta1 = 0), batch = 256, steps = 600, ema = 0.98
  }
}`);
    const random = hostStream(3, "line");
    const x = Float32Array.from({ length: 4096 }, () => 1.5 + 0.7 * random.normal());
    const trained = await train(loaded.model, { data: datasetOf(loaded.model, { train: { x } }), engine: referenceEngine, seed: 1 });
    const weights = await trained.weights();
    trained.close();
    expect(Math.abs((weights["m"]?.data[0] ?? NaN) - 1.5)).toBeLessThan(0.1);
    expect(Math.abs(Math.abs(weights["s"]?.data[0] ?? NaN) - 0.7)).toBeLessThan(0.1);
  });
});

describe("two streams", () => {
  it("a map between unpaired streams, with its cycle, brings the one to where the other lies", async () => {
    const { model } = loadModel(`
model Cycle {
  data a : real[1]
  data b : real[1]
  param shift : real[1] = 0
  param back : real[1] = 0
  param slope : real[1] = 0
  net F(a) = a + shift
  net G(b) = b + back
  net critic(b) = sum(slope * b)
  objective V = GANOfB - R
  objective GANOfB = E[b ~ data](log(sigmoid(critic(b)))) + E[a ~ data](log(1 - sigmoid(critic(F(a)))))
  objective R = E[b ~ data](sum(grad[y = b](critic(y)) ^ 2))
  objective cycle = E[a ~ data](sum((G(F(a)) - a) ^ 2)) + E[b ~ data](sum((F(G(b)) - b) ^ 2))
  train {
    maximize V over slope
    minimize GANOfB + cycle over shift, back
    optimizer = adam(lr = 2e-2, beta1 = 0), batch = 64, steps = 700, ema = 0.98
  }
}`);
    const random = hostStream(5, "streams");
    const a = Float32Array.from({ length: 640 }, () => random.normal());
    const b = Float32Array.from({ length: 960 }, () => 2 + random.normal());
    const trained = await train(model, { data: datasetOf(model, { train: { a, b } }), engine: referenceEngine, seed: 2 });
    const weights = await trained.weights();
    trained.close();
    expect(Math.abs((weights["shift"]?.data[0] ?? NaN) - 2)).toBeLessThan(0.2);
    expect(Math.abs((weights["back"]?.data[0] ?? NaN) + 2)).toBeLessThan(0.2);
  });
});

describe("wgan_gp.gm", () => {
  it("covers 8 of 8 modes of the ring in at least 4 of 5 seeds, half of the samples within three deviations of one (120 steps each)", async () => {
    const text = readFileSync(new URL("../../examples/wgan_gp.gm", import.meta.url), "utf8");
    const { model } = loadModel(text, { set: { H: 64 } });
    const data = await loadDataset("eight_gaussians", model.streams, { base: "." });
    const found: string[] = [];
    let covered = 0;
    for (const seed of [1, 2, 3, 4, 5]) {
      const trained = await trainOnNode(model, { data, seed, steps: 120, lr: 3e-3 });
      const { values } = await trained.sample(2000, { seed: 5 });
      await trained.close();
      const x = Array.from(values["x"]?.data ?? []);
      const counts = new Array<number>(8).fill(0);
      for (let i = 0; i < x.length; i += 2) {
        for (let mode = 0; mode < 8; mode++) {
          const angle = (2 * Math.PI * mode) / 8;
          const distance = Math.hypot((x[i] ?? 0) - 2 * Math.SQRT2 * Math.cos(angle), (x[i + 1] ?? 0) - 2 * Math.SQRT2 * Math.sin(angle));
          if (distance < 3 * 0.35) counts[mode]! += 1;
        }
      }
      found.push(counts.join(" "));
      if (counts.every((n) => n >= 40) && counts.reduce((a, b) => a + b, 0) > 1000) covered++;
    }
    expect(covered, found.join("; ")).toBeGreaterThanOrEqual(4);
  }, 120_000);
});

describe("metrics of a game", () => {
  const value = "E[x ~ data](critic(x)) - 2 * E[x ~ p(x)](critic(x))";
  const parts = ["E[x ~ data](critic(x))", "E[z ~ p(z), x = G(z)](critic(x))"];

  it("are the means of its sides, of which the objective is the sum", async () => {
    const { model } = loadModel(
      game("x |> dense(H) |> tanh |> dense(1) |> tanh |> sum", `maximize ${value} over critic   minimize Fool(p, critic) over G`),
    );
    const data = datasetOf(model, { train: { x: Float32Array.from(spread(24)) } });
    const trained = await train(model, { engine: referenceEngine, data, batch: 4, steps: 3, recordEvery: 1, seed: 2 });
    trained.close();
    expect(trained.history).toHaveLength(3);
    for (const { values } of trained.history) {
      const [real = NaN, fake = NaN] = parts.map((name) => values[name]);
      expect(values[value]).toBeCloseTo(real - 2 * fake, 5);
      expect(Math.abs(real - fake)).toBeGreaterThan(1e-4);
    }
  });

  it("leave what log-densities are called, and an objective of one part, as they are", () => {
    const { ts } = loadModel(
      game("x |> dense(1) |> tanh |> sum", "maximize Fool(p, critic) over G   maximize E[x ~ data](critic(x)) over critic"),
    );
    expect(ts).not.toContain("term(");
  });
});

it("set_dense is equivariant and what pools it invariant: points in another order give the same in that order", () => {
  const loaded = loadModel(`
model Sets(N = 5) {
  data x : real[N, 3]
  net each(x) = x |> set_dense(4) |> tanh |> set_dense(2)
  net pooled(x) = x |> set_dense(4) |> tanh |> mean(axis = 1) |> dense(1) |> sum
  train { maximize pooled(x) + sum(each(x)) over each, pooled   batch = 2 }
}`);
  const x = spread(15, 1.2, 3);
  const order = [3, 0, 4, 1, 2];
  const moved = order.flatMap((i) => x.slice(3 * i, 3 * i + 3));
  const run = (data: number[]): Record<string, readonly number[]> =>
    runModel(
      loaded,
      ({ f, w, x: { x: points } }) => ({
        each: f("each")((w as { readonly each: never }).each, points),
        pooled: f("pooled")((w as { readonly pooled: never }).pooled, points),
      }),
      { data: { x: { shape: [1, 5, 3], data } }, state: stateOf(loaded.model) },
    ) as Record<string, readonly number[]>;
  const [a, b] = [run(x), run(moved)];
  order.forEach((from, to) => {
    for (let c = 0; c < 2; c++) expect(b["each"]?.[2 * to + c]).toBeCloseTo(a["each"]?.[2 * from + c] ?? NaN, 10);
  });
  expect(Math.abs((a["each"]?.[0] ?? 0) - (a["each"]?.[2] ?? 0))).toBeGreaterThan(1e-3);
  expect(b["pooled"]?.[0]).toBeCloseTo(a["pooled"]?.[0] ?? NaN, 10);
});

it("clouds of pointgan.gm begin where the data lie: about their mean, within the unit ball for the most part", async () => {
  const text = readFileSync(new URL("../../examples/pointgan.gm", import.meta.url), "utf8");
  const { model } = loadModel(text, { set: { N: 32 } });
  const random = hostStream(3, "clouds");
  const x = Float32Array.from({ length: 30 * 96 }, () => 0.3 * random.normal());
  const trained = await trainOnNode(model, { data: datasetOf(model, { train: { x } }), seed: 1, steps: 1 });
  const { values } = await trained.sample(40, { seed: 2 });
  await trained.close();
  const points = Array.from(values["x"]?.data ?? []);
  let within = 0;
  for (let cloud = 0; cloud < 40; cloud++) {
    for (const axis of [0, 1, 2]) {
      let mean = 0;
      for (let i = 0; i < 32; i++) mean += (points[(cloud * 32 + i) * 3 + axis] ?? NaN) / 32;
      expect(Math.abs(mean)).toBeLessThan(1e-5);
    }
    for (let i = 0; i < 32; i++) within += Math.hypot(...points.slice((cloud * 32 + i) * 3, (cloud * 32 + i) * 3 + 3)) < 1 ? 1 : 0;
  }
  expect(within / (40 * 32)).toBeGreaterThan(0.5);
});
