/** The names of an objective's terms: two quantities never share one, and one quantity has one name in whatever statement it stands. */
import { describe, expect, it } from "vitest";
import { evaluate, referenceEngine, train, type Evaluation } from "../../src/runtime/index.js";
import { add, constant, input, mul, stage, stopGradient, term, TermNames, terms } from "../../src/runtime/graph/index.js";
import { datasetOf, type ArraysBySplit } from "../../src/runtime/train/arrays.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { loadModel } from "../support/model.js";

const ROWS = 60;
const rows = (width: number, at = 0): Float32Array => Float32Array.from({ length: ROWS * width }, (_, i) => Math.sin(1 + at + i * 2.3));

/** Evaluates with every weight set to sin of its place, or to the value given. */
async function evaluated(
  text: string,
  data: ArraysBySplit["train"],
  set: Readonly<Record<string, readonly number[]>> = {},
): Promise<Evaluation> {
  const { model } = loadModel(text);
  const session = await referenceEngine.open();
  try {
    for (const { path, spec } of leavesOf(model.weights)) {
      const size = spec.shape.reduce((n, d) => n * d, 1);
      const values = set[path] ?? Array.from({ length: size }, (_, i) => Math.sin(path.length + i * 1.7));
      await session.write(path, { dtype: "f32", shape: spec.shape, data: Float32Array.from(values) });
    }
    return await evaluate({
      session,
      model,
      dataset: datasetOf(model, { train: data }),
      seed: 1,
      averaged: new Set(),
      reconstruction: false,
    });
  } finally {
    session.dispose();
  }
}

const valueOf = ({ terms: found }: Evaluation, label: string): number => found[label]?.value ?? NaN;

describe("a term's label", () => {
  it("keeps what a density is taken at", async () => {
    const kernel = [0.3, -0.7, 1.1, 0.4, 0.9, -0.2];
    const x = rows(2);
    const found = await evaluated(
      `model T {
  data x : real[2], y : category[3]
  net cls(h) = h |> dense(3, bias = false)
  density c(y | x) { y ~ Categorical(logits = cls(x)) }
  objective L = E[x, y ~ data](log c(y | x)) + E[x, y ~ data](log c(y | x = 2 * x + 1))
  train { maximize L over cls  epochs = 1 }
}`,
      { x, y: Int32Array.from({ length: ROWS }, (_, i) => i % 3) },
      { "cls.dense1.kernel": kernel },
    );
    /** The mean of log softmax(f(x) @ kernel)[y]. */
    const byHand = (f: (v: number) => number): number => {
      let total = 0;
      for (let i = 0; i < ROWS; i++) {
        const logits = [0, 1, 2].map((k) => [0, 1].reduce((s, j) => s + f(x[2 * i + j] ?? NaN) * (kernel[3 * j + k] ?? NaN), 0));
        total += (logits[i % 3] ?? NaN) - Math.log(logits.reduce((s, l) => s + Math.exp(l), 0));
      }
      return total / ROWS;
    };
    expect(valueOf(found, "log c(y | x)")).toBeCloseTo(
      byHand((v) => v),
      5,
    );
    expect(valueOf(found, "log c(y | x = 2 * x + 1)")).toBeCloseTo(
      byHand((v) => 2 * v + 1),
      5,
    );
  });

  it("is given to a penalty of the library, and tells kernels apart", async () => {
    const x = rows(2);
    const w = [0.7, -1.2];
    const found = await evaluated(
      `model T {
  data x : real[2]
  latent z : real[2]
  net G(z) = z |> dense(2)
  net D(x) = x |> dense(1, bias = false) |> sum
  density p(x, z) { z ~ Normal(0, 1)  x = G(z) }
  train { maximize GAN(p, D) - R1(x, D) over D  epochs = 1 }
}`,
      { x },
      { "D.dense1.kernel": w },
    );
    // the slope of x @ w is w wherever it is taken
    expect(valueOf(found, "0.5*10 * sum(grad[y = x](D(y))^2)")).toBeCloseTo(5 * (0.7 ** 2 + 1.2 ** 2), 4);
  });

  it("says which kernel and estimator a discrepancy has", () => {
    const { ts } = loadModel(`model T {
  data x : real[2]
  latent z : real[2]
  net G(z) = z |> dense(2)
  density p(x, z) { z ~ Normal(0, 1)  x = G(z) }
  train { minimize MMD(p, bandwidths = [1]) + MMD(p, bandwidths = [2.5]) + BiasedMMD(p, bandwidths = [1]) over G  epochs = 1 }
}`);
    const labels = [...ts.matchAll(/mmd\(x, xf, \[[^\]]*\][^)]*\)/gu)].map(([label]) => label.replaceAll("\\", ""));
    expect(labels).toEqual(["mmd(x, xf, [1])", "mmd(x, xf, [2.5])", 'mmd(x, xf, [1], estimator = "biased")']);
  });

  it("keeps what a gradient is taken at", async () => {
    // f(y) = sum(y^2) has the gradient 2 y
    const x = rows(2);
    const found = await evaluated(
      `model T {
  data x : real[2]
  param a : real = 1
  objective near = E[x ~ data](sum(grad[y = x + 1](a * sum(y^2))))
  objective far = E[x ~ data](sum(grad[y = x + 5](a * sum(y^2))))
  train { minimize near + far over a  epochs = 1 }
}`,
      { x },
      { a: [1] },
    );
    const mean = x.reduce((s, v) => s + v, 0) / ROWS;
    const labelled = (n: number): number => valueOf(found, `E[x ~ data](sum(grad[y = x + ${n}](a * sum(y^2))))`);
    expect(labelled(1)).toBeCloseTo(2 * (mean + 2), 4);
    expect(labelled(5)).toBeCloseTo(2 * (mean + 10), 4);
  });

  describe("where latents are integrated out", () => {
    const JOINT = `model T {
  data x : real[1], y : real
  latent z : real[1]
  param a : real[1, 1], b : real
  density p(x, y, z) { y ~ Normal(b, 1)
    z ~ Normal(y * ones(1), 1)
    x ~ Normal(z @ a, 1) }
  OBJECTIVE
  train { maximize log p(x, y)  epochs = 1 }
  evaluate { alone = log p(x) }
}`;
    const [a, b] = [1.5, 0.3];
    const normal = (v: number, loc: number, variance: number): number =>
      -0.5 * Math.log(2 * Math.PI * variance) - (v - loc) ** 2 / (2 * variance);
    const mean = (of: (i: number) => number): number => Array.from({ length: ROWS }, (_, i) => of(i)).reduce((s, v) => s + v, 0) / ROWS;
    const [x, y] = [rows(1), rows(1, 2)];

    it("says what the density is conditioned on", async () => {
      const found = await evaluated(JOINT.replace("OBJECTIVE", ""), { x, y }, { a: [a], b: [b] });
      // z = y + e, so x given y is normal around a y with the variance 1 + a²; y has one of its own
      const given = mean((i) => normal(x[i] ?? NaN, a * (y[i] ?? NaN), 1 + a * a));
      const alone = mean((i) => normal(x[i] ?? NaN, a * b, 1 + 2 * a * a));
      expect(valueOf(found, "log p(x | y)")).toBeCloseTo(given, 4);
      expect(found.metrics["alone"]?.value).toBeCloseTo(alone, 4);
      expect(found.terms["log p(x)"]).toBeUndefined();
    });

    it("keeps what the density is taken at", async () => {
      const own = "objective L = E[x, y ~ data](2 * log p(y, x = x + 1) + log p(x, y))";
      const text = JOINT.replace("OBJECTIVE", own).replace("maximize log p(x, y)", "maximize L");
      const found = await evaluated(text, { x, y }, { a: [a], b: [b] });
      const at = (more: number): number => mean((i) => normal((x[i] ?? NaN) + more, a * (y[i] ?? NaN), 1 + a * a));
      expect(valueOf(found, "log p(x | y)")).toBeCloseTo(at(0), 4);
      expect(valueOf(found, "log ∫ p(x + 1 | z) p(z | y) dz")).toBeCloseTo(at(1), 4);
    });
  });

  it("of an energy keeps what it is taken at", () => {
    const { ts } = loadModel(`model T {
  data v : binary[3]
  latent h : binary[2]
  param W : real[3, 2]
  density p(v, h) { energy -sum((v @ W) * h) }
  train { maximize log p(v) - log p(v = 1 - v)  epochs = 1 }
}`);
    expect([...ts.matchAll(/term\(\s*"(-F\([^"]*)"/gu)].map((m) => m[1])).toEqual(["-F(v)", "-F(v = 1 - v)"]);
  });

  const DREAMS = `model T {
  data x : real
  latent z : real
  param b : real = 0.5
  density p(x, z) { z ~ Normal(0, 1)
    x ~ Normal(2 * z, 1) }
  density q(z | x) { z ~ Normal(b * x, 0.5) }
  train {
    minimize E[z ~ q(z | x)](log q(z | x)) over b by reparam
    maximize E[x, z ~ p(x, z)](log q(z | x)) over b
    minimize 2 * E[z ~ q(z | x)](log q(z | x)) over b by reparam
    batch = 60, epochs = 2
  }
}`;

  it("has a number where it stands for another quantity in another statement", async () => {
    const found = await evaluated(DREAMS, { x: rows(1) }, { b: [0.25] });
    const norm = -Math.log(0.5 * Math.sqrt(2 * Math.PI));
    // less q's entropy; and of what p draws, z - x / 4 has the variance 1/4 + 1/16
    const near = (label: string, exact: number): void => {
      const { value, standardError } = found.terms[label] ?? { value: NaN, standardError: 0 };
      expect(Math.abs(value - exact) / standardError!).toBeLessThan(4);
    };
    near("log q(z | x)", norm - 0.5);
    near("log q(z | x) #2", norm - 0.625);
    expect(valueOf(found, "log q(z | x)")).not.toBe(valueOf(found, "log q(z | x) #2"));
    expect(found.terms["log q(z | x) #3"]).toBeUndefined();
  });

  it("is the same while a model is trained", async () => {
    const { model } = loadModel(DREAMS);
    const named = new Set<string>();
    await train(model, {
      data: { x: rows(1) },
      engine: referenceEngine,
      onRecord: ({ values }) => void Object.keys(values).forEach((name) => named.add(name)),
    });
    expect([...named].filter((n) => n.startsWith("log q"))).toEqual(["log q(z | x)", "log q(z | x) #2"]);
  });
});

describe("names of terms", () => {
  it("are one for what is computed alike, over several stages, and two for what is not", () => {
    const names = new TermNames();
    const found: string[][] = [];
    const staged = (factor: number): void =>
      void stage({}, () => {
        const x = input("x", [3]);
        term("t", "", mul(x, constant(2)));
        // a gradient that is stopped changes no value
        term("t", "", mul(stopGradient(x), constant(2)));
        term("t", "", mul(x, constant(factor)));
        term("t", "", add(x, constant(2)));
        found.push([...terms(names).keys()]);
        return { x };
      });
    staged(3);
    staged(2);
    staged(4);
    expect(found).toEqual([
      ["t", "t #2", "t #3"],
      ["t", "t #3"],
      ["t", "t #4", "t #3"],
    ]);
  });
});

describe("the label of a statement", () => {
  const { model, ts } = loadModel(`model T {
  data x : real[2]
  latent z : real[2]
  net G(z) = z |> dense(2)
  net C(x) = x |> dense(1) |> tanh |> sum
  density p(x, z) { z ~ Normal(0, 1)
    x = G(z) }
  train {
    maximize E[x ~ data](C(x)) // the data
      - E[
        xf ~ p(x)
      ](C(xf))
      - E[xa ~ p(x), xb ~ p(x)](C(xa) * C(xb)) over C
    minimize
      E[x ~ data](C(x)) - E[xf ~ p(x)](C(xf)) over G
    epochs = 1
  }
  evaluate { both = E[x ~ data](
    C(x) // once
      + C(x)) }
}`);

  it("stands on one line, without comments", () => {
    const [first] = model.train[0]?.updates ?? [];
    expect(first?.label).toBe("E[x ~ data](C(x)) - E[xf ~ p(x)](C(xf)) - E[xa ~ p(x), xb ~ p(x)](C(xa) * C(xb))");
    expect(model.evaluate["both"]?.label).toBe("E[x ~ data](C(x) + C(x))");
  });

  it("has terms that bind the names which their bodies read", () => {
    expect(ts).toContain('term("E[z ~ p(z), xf = G(z)](C(xf))"');
    expect(ts).toContain('term("E[z ~ p(z), xa = G(z)](E[z ~ p(z), xb = G(z)](C(xa) * C(xb)))"');
  });
});
