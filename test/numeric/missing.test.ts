/** Data that may be missing in a row: each row's objective against what it is by hand, gradients against differences, rows that a metric leaves out. */
import { describe, expect, it } from "vitest";
import { bindData } from "../../src/runtime/data/index.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { type Evaluation, type Tensor, grad, mean, train } from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";

const spread = (n: number, scale: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * (i + 1) * seed + seed));
const logSumExp = (xs: readonly number[]): number => {
  const top = Math.max(...xs);
  return top + Math.log(xs.reduce((s, x) => s + Math.exp(x - top), 0));
};
const logSoftmax = (xs: readonly number[]): number[] => xs.map((x) => x - logSumExp(xs));
const logNormal = (x: number, loc: number, scale: number): number =>
  -0.5 * ((x - loc) / scale) ** 2 - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);

const [B, K] = [6, 3];
/** The classes of six rows, three of them missing. */
const y = [0, -1, 2, -1, 1, -1];
const x = spread(B, 1.7, 5);
const data = { x: { shape: [B], data: x }, y: { shape: [B], data: y, dtype: "i32" as const } };

describe("a class that may be missing", () => {
  const loaded = loadModel(`
model M(K = ${K}) {
  data x : real, y : category[K]?
  param w : real[K], mu : real[K], a : real[K], b : real[K]
  density p(x, y) {
    y ~ Categorical(logits = w)
    x ~ Normal(mu[y], 0.7)
  }
  density q(y | x) { y ~ Categorical(logits = a * x + b) }
  objective likelihood = log p(x, y)
  objective classified = log q(y | x)
  objective bound = ELBO(p, q)
  objective mixed = E[y ~ q(y | x)](tanh(mu[y])) + 2 * log q(y | x)
  objective fresh = E[u ~ q(y | x)](mu[u])
  train { maximize bound + 0.5 * classified }
  evaluate { hits = where(equal(argmax(a * x + b), y), 1, 0)  nll = -likelihood  like = likelihood  cls = classified  elbo = bound  mix = mixed  renamed = fresh }
}`);
  const state = { w: spread(K, 0.8, 2), mu: spread(K, 1.5, 3), a: spread(K, 0.9, 4), b: spread(K, 0.6, 7) };
  const classes = Array.from({ length: K }, (_, k) => k);
  const joint = (r: number, k: number): number => logSoftmax(state.w)[k]! + logNormal(x[r]!, state.mu[k]!, 0.7);
  const q = (r: number): number[] => logSoftmax(classes.map((k) => state.a[k]! * x[r]! + state.b[k]!));
  const run = (name: string): readonly number[] =>
    runModel(loaded, ({ f, w, x: rows }) => ({ value: f(name)(w, rows["x"], rows["y"]) }), { data, state })["value"]!;

  it("is known in a log-density where it is there, and summed out where it is not", () => {
    run("likelihood").forEach((v, r) =>
      expect(v).toBeCloseTo(y[r]! >= 0 ? joint(r, y[r]!) : logSumExp(classes.map((k) => joint(r, k))), 10),
    );
  });

  it("leaves nothing of its own log-density where it is missing", () => {
    run("classified").forEach((v, r) => expect(v).toBeCloseTo(y[r]! >= 0 ? q(r)[y[r]!]! : 0, 10));
  });

  it("is filled in by an E: the bound is log p(x, y) where it is there, and E[log p - log q] where it is not", () => {
    run("bound").forEach((v, r) => {
      const open = classes.reduce((s, k) => s + Math.exp(q(r)[k]!) * (joint(r, k) - q(r)[k]!), 0);
      expect(v).toBeCloseTo(y[r]! >= 0 ? joint(r, y[r]!) : open, 10);
    });
  });

  it("is filled in for the E alone", () => {
    run("mixed").forEach((v, r) => {
      const known = y[r]! >= 0 ? Math.tanh(state.mu[y[r]!]!) + 2 * q(r)[y[r]!]! : undefined;
      expect(v).toBeCloseTo(known ?? classes.reduce((s, k) => s + Math.exp(q(r)[k]!) * Math.tanh(state.mu[k]!), 0), 10);
    });
  });

  it("is not filled in under another name", () => {
    const value = runModel(loaded, ({ f, w, x: rows }) => ({ value: f("fresh")(w, rows["x"]) }), { data, state })["value"]!;
    value.forEach((v, r) =>
      expect(v).toBeCloseTo(
        classes.reduce((s, k) => s + Math.exp(q(r)[k]!) * state.mu[k]!, 0),
        10,
      ),
    );
  });

  it("has the gradient of the objective, no missing value in it", () => {
    const objective = (at: typeof state): number => {
      const value = runModel(loaded, ({ f, w, x: rows }) => ({ value: mean(f("objective")(w, rows["x"], rows["y"])) }), {
        data,
        state: at,
      });
      return value["value"]![0]!;
    };
    const gradients = runModel(
      loaded,
      ({ f, w, x: rows }) => {
        const leaves = w as unknown as Readonly<Record<keyof typeof state, Tensor>>;
        const names = Object.keys(state) as (keyof typeof state)[];
        const found = grad(
          mean(f("objective")(w, rows["x"], rows["y"])),
          names.map((n) => leaves[n]),
        );
        return Object.fromEntries(names.map((n, i) => [n, found[i]!]));
      },
      { data, state },
    );
    for (const name of Object.keys(state) as (keyof typeof state)[]) {
      for (let k = 0; k < K; k++) {
        const at = (d: number): number => objective({ ...state, [name]: state[name].map((v, i) => (i === k ? v + d : v)) });
        expect(gradients[name]![k]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 7);
      }
    }
  });

  it("is what the rows of a metric that reads it must have", () => {
    expect(loaded.model.evaluate["hits"]).toMatchObject({ complete: ["y"] });
    expect(loaded.model.evaluate["nll"]).not.toHaveProperty("complete");
  });
});

describe("a score function of a class that may be missing", () => {
  const loaded = loadModel(`
model M(K = ${K}) {
  data x : real, y : category[K]?
  param mu : real[K], b : real[K]
  density p(x, y) {
    y ~ Categorical(logits = zeros(K))
    x ~ Normal(mu[y], 0.7)
  }
  density q(y | x) { y ~ Categorical(logits = b * x) }
  train {
    maximize ELBO(p, q) by score(baseline = none)
    maximize IWAE(p, q, k = 3)
    optimizer = sgd(0.1), batch = 6, steps = 1
  }
}`);

  it.each(loaded.model.train[0]!.updates.map((u, i) => [u.label, i] as const))("moves q by the rows that miss it: %s", (_, i) => {
    const gradient = (labels: readonly number[]): readonly number[] =>
      runModel(
        loaded,
        ({ w, x: rows, key }) => {
          const { value } = loaded.model.train[0]!.updates[i]!;
          const { b } = w as unknown as Readonly<Record<string, Tensor>>;
          const [found] = grad(mean(value({ w, data: rows, key, schedule: {}, carried: {}, rows: { kind: "rows", size: B } } as never)), [
            b!,
          ]);
          return { found: found! };
        },
        { data: { ...data, y: { ...data.y, data: labels } }, state: { mu: spread(K, 1.5, 3), b: spread(K, 0.6, 7) } },
      )["found"]!;
    expect(gradient([0, 1, 2, 1, 1, 0]).map(Math.abs)).toEqual([0, 0, 0]);
    expect(Math.hypot(...gradient(y))).toBeGreaterThan(0.01);
  });
});

describe("numbers that may be missing", () => {
  // two rows are whole, two lack one entry, two lack both
  const t = [0.3, NaN, -1.2, 0.5, NaN, NaN, 1.1, -0.7, NaN, 0.4, NaN, NaN];
  const loaded = loadModel(`
model M {
  data x : real[1], t : real[2]?
  param A : real[2, 1], a : real[2], s : real[2]
  density p(x, t) {
    t ~ Normal(0, 1)
    x ~ Normal(t @ A, 0.5)
  }
  density q(t | x) { t ~ Normal(a * sum(x), exp(s)) }
  objective likelihood = log p(x, t)
  objective bound = ELBO(p, q)
  objective tighter = IWAE(p, q, k = 40)
  train { maximize tighter }
  evaluate { nll = -likelihood  elbo = bound }
}`);
  const state = { A: [0.7, -0.4], a: [0.5, -0.6], s: [-0.3, 0.2] };
  const rows = { x: { shape: [B, 1], data: x }, t: { shape: [B, 2], data: t } };
  const run = (name: string, ...more: number[]): readonly number[] =>
    runModel(loaded, ({ f, w, x: r, key }) => ({ value: f(name)(w, r["x"], r["t"], key, ...more) }), { data: rows, state })["value"]!;
  const isThere = (r: number): boolean => !Number.isNaN(t[2 * r]) && !Number.isNaN(t[2 * r + 1]);
  const joint = (r: number): number =>
    logNormal(t[2 * r]!, 0, 1) + logNormal(t[2 * r + 1]!, 0, 1) + logNormal(x[r]!, 0.7 * t[2 * r]! - 0.4 * t[2 * r + 1]!, 0.5);
  /** x is Normal with variance 0.25 + |a|^2. */
  const marginal = (r: number): number => logNormal(x[r]!, 0, Math.sqrt(0.25 + 0.7 ** 2 + 0.4 ** 2));

  it("are there in the rows whose entries all are", () => {
    expect(Array.from({ length: B }, (_, r) => isThere(r))).toEqual([false, true, false, true, false, false]);
  });

  it("are integrated out where a row misses one of its entries", () => {
    run("likelihood").forEach((v, r) => expect(v).toBeCloseTo(isThere(r) ? joint(r) : marginal(r), 9));
  });

  it("are drawn where they are missing: bounds are exact in the other rows", () => {
    const [elbo, iwae] = [run("bound"), run("tighter", 40)];
    for (let r = 0; r < B; r++) {
      if (!isThere(r)) {
        expect(Math.abs(iwae[r]! - marginal(r))).toBeLessThan(0.4);
        continue;
      }
      expect(elbo[r]).toBeCloseTo(joint(r), 9);
      expect(iwae[r]).toBeCloseTo(joint(r), 9);
    }
  });
});

describe.each([
  ["reference", referenceEngine],
  ["onnx", onnxEngine],
])("training with missing values on %s", (_, engine) => {
  it("never computes with what is missing", async () => {
    const loaded = loadModel(`
model M {
  data x : real[1], t : real[2]?, y : category[3]?
  param mu : real[3, 2], a : real[2]
  density p(x, t, y) {
    y ~ Categorical(logits = zeros(3))
    t ~ Normal(mu[y], 1)
    x ~ Normal(sum(t), 0.5)
  }
  density q(t, y | x) {
    y ~ Categorical(logits = concat(x, x^2) |> dense(3))
    t ~ Normal(a * sum(x) + mu[y], 1)
  }
  train { maximize ELBO(p, q) + log q(y | x)  optimizer = sgd(0.01), batch = 4, steps = 6 }
}`);
    const rows = {
      x: Array.from({ length: 12 }, (_, i) => [Math.sin(i)]),
      t: Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? [NaN, NaN] : [1, 2])),
      y: Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? -1 : i % 3)),
    };
    const trained = await train(loaded.model, { data: rows, engine, seed: 1 });
    for (const { data: values } of Object.values(await trained.weights())) expect(Array.from(values).every(Number.isFinite)).toBe(true);
    trained.close();
  });
});

describe("two classes, each of which may be missing", () => {
  // every pattern: both, either, none
  const pairs = [
    [0, 1],
    [1, -1],
    [-1, 2],
    [-1, -1],
    [1, 0],
    [-1, -1],
  ] as const;
  const loaded = loadModel(`
model M {
  data a : category[2]?, b : category[3]?
  param w : real[2], v : real[2, 3], r : real[2], t : real[2, 3]
  density p(a, b) {
    a ~ Categorical(logits = w)
    b ~ Categorical(logits = v[a])
  }
  density q(a, b) {
    a ~ Categorical(logits = r)
    b ~ Categorical(logits = t[a])
  }
  objective known = log p(a, b)
  objective bound = E[a, b ~ q(a, b)](log p(a, b) - log q(a, b))
  train { maximize known + bound  batch = 2, steps = 1  optimizer = sgd(1e-9) }
  evaluate { nll = -known  elbo = bound  own = log p(a) + log p(a, b)  first = log p(a) }
}`);
  const state = { w: spread(2, 0.8, 2), v: spread(6, 1.5, 3), r: spread(2, 0.9, 4), t: spread(6, 0.6, 7) };
  const columns = {
    a: { shape: [6], data: pairs.map(([a]) => a), dtype: "i32" as const },
    b: { shape: [6], data: pairs.map(([, b]) => b), dtype: "i32" as const },
  };
  const joint = (first: readonly number[], second: readonly number[], a: number, b: number): number =>
    logSoftmax(first)[a]! + logSoftmax(second.slice(3 * a, 3 * a + 3))[b]!;
  const states = [0, 1].flatMap((a) => [0, 1, 2].map((b) => [a, b] as const));
  const agree = (pair: readonly [number, number]) =>
    states.filter(([a, b]) => (pair[0] < 0 || pair[0] === a) && (pair[1] < 0 || pair[1] === b));
  const run = (name: string): readonly number[] =>
    runModel(loaded, ({ f, w, x: rows, key }) => ({ value: f(name)(...[w, rows["a"], rows["b"], key].slice(0, f(name).length)) }), {
      data: columns,
      state,
    })["value"]!;

  it("have a term of their own for each pattern that is observed", () => {
    run("known").forEach((value, row) =>
      expect(value).toBeCloseTo(logSumExp(agree(pairs[row]!).map(([a, b]) => joint(state.w, state.v, a, b))), 9),
    );
  });

  it("are summed over by an E in the rows that miss them, q counted for what it draws", () => {
    const q = (a: number): number[] => logSoftmax(state.t.slice(3 * a, 3 * a + 3));
    run("bound").forEach((value, row) => {
      const [knownA, knownB] = pairs[row]!;
      const expected = agree(pairs[row]!).reduce((sum, [a, b]) => {
        const logQ = (knownA < 0 ? logSoftmax(state.r)[a]! : 0) + (knownB < 0 ? q(a)[b]! : 0);
        return sum + Math.exp(logQ) * (joint(state.w, state.v, a, b) - logQ);
      }, 0);
      expect(value).toBeCloseTo(expected, 9);
    });
  });

  it("leave no row in the mean that has neither", async () => {
    const rows = { a: pairs.map(([a]) => a), b: pairs.map(([, b]) => b) };
    const trained = await train(loaded.model, { data: rows, engine: referenceEngine, seed: 1 });
    const { metrics } = await trained.evaluate({ split: "train" });
    const weights = await trained.weights();
    trained.close();
    const [w, v] = ["w", "v"].map((name) => Array.from(weights[name]!.data)) as [number[], number[]];
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const some = pairs.filter(([a, b]) => a >= 0 || b >= 0);
    const first = pairs.filter(([a]) => a >= 0);
    expect(metrics["nll"]!.rows).toBe(4);
    expect(metrics["nll"]!.have).toEqual({ variables: ["a or b"], rows: 4 });
    expect(metrics["nll"]!.value).toBeCloseTo(-mean(some.map((pair) => logSumExp(agree(pair).map(([a, b]) => joint(w, v, a, b))))), 6);
    expect(metrics["own"]!.rows).toBe(4);
    expect(metrics["first"]!.value).toBeCloseTo(mean(first.map(([a]) => logSoftmax(w)[a]!)), 6);
    // the bound of a row that has neither is that of log 1
    expect(metrics["elbo"]!.rows).toBeUndefined();
  });
});

describe("measures of rows without a value", () => {
  const values = [0.4, NaN, -1.1, NaN, 2.3];
  const observed = values.filter((v) => !Number.isNaN(v));
  const standard = -observed.reduce((n, v) => n + logNormal(v, 0, 1), 0) / observed.length;
  const evaluated = async (evaluate: string): Promise<Evaluation> => {
    const loaded = loadModel(`
model M {
  data v : real[1]?, t : real[1]
  latent z : real[1]
  param a : real[1]
  density p(v, t, z) { z ~ Normal(0, 1) v ~ Normal(0 * z, 1) t ~ Normal(0 * v, 1) }
  density q(z | t) { z ~ Normal(t, 1) }
  density r(v) { v ~ Normal(0 * a, 1) }
  train { maximize log r(v) optimizer = sgd(1e-3), batch = 2, steps = 1 }
  evaluate { ${evaluate} }
}`);
    const rows = { v: values.map((v) => [v]), t: values.map(() => [0.5]) };
    const trained = await train(loaded.model, { data: rows, engine: referenceEngine, seed: 1 });
    const found = await trained.evaluate({ split: "train" });
    trained.close();
    return found;
  };

  it("are of the rows that have it, where nothing else is measured", async () => {
    const { metrics } = await evaluated("nll = -log r(v) twice = 2 * log r(v) both = log r(v) + log r(v = t) joint = -log p(v, t, z = t)");
    expect(metrics["nll"]!.value).toBeCloseTo(standard, 6);
    expect(metrics["twice"]!.value).toBeCloseTo(-2 * standard, 6);
    // what else is in a line is measured in every row
    expect(metrics["both"]!.value).toBeCloseTo((-standard * observed.length) / values.length + logNormal(0.5, 0, 1), 6);
    expect(metrics["nll"]!.rows).toBe(observed.length);
  });

  it("have an error where there is what is reconstructed", async () => {
    const { reconstruction } = await evaluated("nll = -log r(v)");
    expect(Object.keys(reconstruction)).toEqual(["v", "t"]);
    for (const each of Object.values(reconstruction)) expect(each.value).toSatisfy(Number.isFinite);
  });
});

describe("values that are taken away", () => {
  const rows = 60;
  const labels = Array.from({ length: rows }, (_, i) => (i * i) % 4);
  const bound = (options: object): ReturnType<typeof bindData> =>
    bindData(
      {
        name: "set",
        fields: {
          y: {
            role: "labels",
            splits: { train: { shape: [rows], dtype: "u8", data: Uint8Array.from(labels) } },
            path: "labels",
            options,
            notes: [],
          },
        },
        assigned: new Set(),
        notes: [],
      },
      [{ y: { domain: "category", classes: 4, shape: [], optional: true } }],
    );
  const codes = (options: object): number[] => Array.from(bound(options).streams[0]!.splits.train.columns["y"]!.source);

  it("leave as many of each class, the same ones each time", () => {
    const kept = codes({ observed: 9 });
    expect(kept.filter((c) => c >= 0)).toHaveLength(9);
    // squares leave 0 and 1 by division by 4
    expect([0, 1].map((k) => kept.filter((c) => c === k).length)).toEqual([5, 4]);
    expect(codes({ observed: 9 })).toEqual(kept);
    expect(codes({ observed: 9, observedSeed: 1 })).not.toEqual(kept);
    kept.forEach((c, i) => expect([-1, labels[i]]).toContain(c));
    expect(bound({ observed: 9 }).provenance.join("\n")).toContain("y: observed in 9 of 60 training rows, of 2 classes in turn");
  });

  it("are at most all", () => {
    expect(() => bound({ observed: 61 })).toThrow(expect.objectContaining({ code: "GM5024" }) as Error);
  });

  it("stand in a variable that may be missing", () => {
    const field = {
      role: "labels" as const,
      splits: { train: { shape: [2], dtype: "u8" as const, data: Uint8Array.of(0, 1) } },
      path: "labels",
      options: { observed: 1 },
      notes: [],
    };
    expect(() =>
      bindData({ name: "set", fields: { y: field }, assigned: new Set(), notes: [] }, [
        { y: { domain: "category", classes: 2, shape: [] } },
      ]),
    ).toThrow(expect.objectContaining({ code: "GM5013" }) as Error);
  });
});
