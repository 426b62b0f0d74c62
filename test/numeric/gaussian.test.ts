/** Linear-Gaussian models, whatever their graph: marginals, conditionals and posteriors against the dense joint covariance, in float64. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { diagonal, inverted, logNormal, type Matrix, multiply, plus, transposed } from "../support/matrices.js";
import type { Tensor } from "../../src/runtime/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel, runModel, type RunContext } from "../support/model.js";

/** A variable as bias + Σ parent @ weight + factor @ noise. */
interface Node {
  readonly bias: readonly number[];
  readonly parents: Readonly<Record<string, Matrix>>;
  readonly factor: Matrix;
}

/** Mean and covariance of all variables, in the order given, by substitution of the parents. */
function jointOf(nodes: Readonly<Record<string, Node>>): (names: readonly string[]) => { mean: number[]; C: Matrix } {
  const noises = Object.values(nodes).reduce((n, v) => n + v.bias.length, 0);
  const maps = new Map<string, { mean: readonly number[]; map: Matrix }>();
  let offset = 0;
  for (const [name, { bias, parents, factor }] of Object.entries(nodes)) {
    let mean = [...bias];
    let map: Matrix = factor.map((row) => Array.from({ length: noises }, (_, j) => row[j - offset] ?? 0));
    for (const [parent, W] of Object.entries(parents)) {
      const of = maps.get(parent)!;
      mean = mean.map((m, i) => m + of.mean.reduce((s, v, k) => s + v * W[k]![i]!, 0));
      map = plus(map, multiply(transposed(W), of.map));
    }
    offset += bias.length;
    maps.set(name, { mean, map });
  }
  return (names) => {
    const rows = names.flatMap((n) => maps.get(n)!.map);
    return { mean: names.flatMap((n) => maps.get(n)!.mean), C: multiply(rows, transposed(rows)) };
  };
}

const spread = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => 0.9 * Math.sin(1.7 * (i + 1) * seed + seed));
const rowsOf = (flat: readonly number[], width: number): Matrix =>
  Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width));
const unconstrained = (scale: number): number => Math.log(Math.expm1(scale));
const B = 3;

/** The lines of `evaluate` by name, a number for each row. */
function values(text: string, state: Record<string, readonly number[]>, data: Record<string, Matrix>, seed = 1) {
  const loaded = loadModel(text);
  const inputs = Object.fromEntries(Object.entries(data).map(([n, rows]) => [n, { shape: [B, rows[0]!.length], data: rows.flat() }]));
  const measure = ({ w, x, key }: RunContext): Record<string, Tensor> =>
    Object.fromEntries(
      Object.entries(loaded.model.evaluate).flatMap(([name, metric]) =>
        metric.kind === "rows" ? [[name, metric.value({ w, data: x, key } as never, metric.samples ?? 1)]] : [],
      ),
    );
  return runModel(loaded, measure, { data: inputs, state, seed, mode: "eval" });
}

const close = (got: readonly number[] | undefined, wanted: readonly number[], digits = 8): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((v, i) => expect(got![i]).toBeCloseTo(v, digits));
};

const logOf = (joint: ReturnType<typeof jointOf>, names: readonly string[], at: Record<string, readonly number[]>): number => {
  const { mean, C } = joint(names);
  return logNormal(
    names.flatMap((n) => at[n]!),
    mean,
    C,
  );
};

const train = (first: string): string => `train { maximize ${first}   batch = ${B}, epochs = 1 }`;

describe("one latent, two variables drawn from it", () => {
  const [W, V, b, s] = [spread(6, 1), spread(4, 2), spread(3, 3), [0.7, 1.2, 0.4]];
  const text = `model M {
    data x : real[3], y : real[2]
    latent z : real[2]
    param W : real[2, 3], V : real[2, 2], b : real[3], s : positive[3]
    density p(x, y, z) {
      z ~ Normal(0.3, 1.1)
      x ~ Normal(z @ W + b, s)
      y ~ Normal(2 * (z @ V), 0.5)
    }
    evaluate {
      both = log p(x, y)
      one = log p(x)
      other = log p(y | x)
      inner = log p(z = x[1..2] | x, y)
    }
    ${train("log p(x, y)")}
  }`.replace("x[1..2]", "0.5 * y");
  const data = { x: rowsOf(spread(9, 4), 3), y: rowsOf(spread(6, 5), 2) };
  const joint = jointOf({
    z: { bias: [0.3, 0.3], parents: {}, factor: diagonal([1.1, 1.1]) },
    x: { bias: b, parents: { z: rowsOf(W, 3) }, factor: diagonal(s) },
    y: {
      bias: [0, 0],
      parents: {
        z: rowsOf(
          V.map((v) => 2 * v),
          2,
        ),
      },
      factor: diagonal([0.5, 0.5]),
    },
  });
  const at = (i: number) => ({ x: data.x[i]!, y: data.y[i]!, z: data.y[i]!.map((v) => 0.5 * v) });
  it("has its marginals and conditionals", () => {
    const got = values(text, { W, V, b, s: s.map(unconstrained) }, data);
    const of = (f: (a: ReturnType<typeof at>) => number): number[] => data.x.map((_, i) => f(at(i)));
    close(
      got["both"],
      of((a) => logOf(joint, ["x", "y"], a)),
    );
    close(
      got["one"],
      of((a) => logOf(joint, ["x"], a)),
    );
    close(
      got["other"],
      of((a) => logOf(joint, ["x", "y"], a) - logOf(joint, ["x"], a)),
    );
    close(
      got["inner"],
      of((a) => logOf(joint, ["x", "y", "z"], a) - logOf(joint, ["x", "y"], a)),
    );
  });
});

describe("a chain of latents beside an independent one", () => {
  const [A, W, U, b] = [spread(6, 1), spread(12, 2), spread(4, 6), spread(4, 3)];
  const text = `model M {
    data x : real[4]
    latent z : real[2], h : real[3], u : real
    param A : real[2, 3], W : real[3, 4], U : real[4], b : real[4]
    density p(x, z, h, u) {
      z ~ Normal(0, 1)
      h ~ Normal(z @ A - 0.2, 0.6)
      u ~ Normal(0.4, 1.5)
      x ~ Normal(h @ W + u * U + b, 0.3)
    }
    evaluate {
      whole = log p(x)
      middle = log p(x | h = x[1] * b[1] + stack(b[1], b[2], b[3]))
      top = log p(z = stack(b[1], b[2]) | x)
      drawn = E[z, h, u ~ p(z, h, u | x)](log p(x, z, h, u) - log p(z, h, u | x))
      part = E[h ~ p(h | x)](log p(x, h) - log p(h | x))
    }
    ${train("log p(x)")}
  }`;
  const joint = jointOf({
    z: { bias: [0, 0], parents: {}, factor: diagonal([1, 1]) },
    h: { bias: [-0.2, -0.2, -0.2], parents: { z: rowsOf(A, 3) }, factor: diagonal([0.6, 0.6, 0.6]) },
    u: { bias: [0.4], parents: {}, factor: [[1.5]] },
    x: { bias: b, parents: { h: rowsOf(W, 4), u: [U] }, factor: diagonal([0.3, 0.3, 0.3, 0.3]) },
  });
  const x = rowsOf(spread(12, 4), 4);
  const got = values(text, { A, W, U, b }, { x });
  const whole = x.map((row) => logOf(joint, ["x"], { x: row }));

  it("has its marginals and conditionals", () => {
    close(got["whole"], whole);
    const h = (row: readonly number[]): number[] => [0, 1, 2].map((i) => row[0]! * b[0]! + b[i]!);
    close(
      got["middle"],
      x.map((row) => logOf(joint, ["x", "h"], { x: row, h: h(row) }) - logOf(joint, ["h"], { h: h(row) })),
    );
    close(
      got["top"],
      x.map((row) => logOf(joint, ["x", "z"], { x: row, z: [b[0]!, b[1]!] }) - logOf(joint, ["x"], { x: row })),
    );
  });

  it("is drawn from its posterior: log p(x, z) - log p(z | x) is log p(x) at any draw", () => {
    close(got["drawn"], whole);
    close(got["part"], whole);
  });
});

describe("correlated entries, events of other shapes", () => {
  const [P, W, N] = [[0.8, 0, 0.3, -0.2], spread(12, 2), [0.4, 0, 0, 0.5, 0.2, 0, -0.3, 0.1, 0.9]];
  const tril = (flat: readonly number[], n: number): Matrix =>
    rowsOf(flat, n).map((row, i) => row.map((v, j) => (j > i ? 0 : i === j ? Math.log1p(Math.exp(v)) : v)));
  it("a MultivariateNormal prior and noise", () => {
    const text = `model M {
      data x : real[3]
      latent z : real[2]
      param P : real[2, 2], W : real[2, 3], N : real[3, 3]
      density p(x, z) {
        z ~ MultivariateNormal(0.1 * ones(2), scale_tril = cholesky_factor(P))
        x ~ MultivariateNormal(z @ W, scale_tril = cholesky_factor(N))
      }
      evaluate {
        whole = log p(x)
        drawn = E[z ~ p(z | x)](log p(x, z) - log p(z | x))
      }
      ${train("log p(x)")}
    }`;
    const joint = jointOf({
      z: { bias: [0.1, 0.1], parents: {}, factor: tril(P, 2) },
      x: { bias: [0, 0, 0], parents: { z: rowsOf(W.slice(0, 6), 3) }, factor: tril(N, 3) },
    });
    const x = rowsOf(spread(9, 4), 3);
    const got = values(text, { P, W: W.slice(0, 6), N }, { x });
    const whole = x.map((row) => logOf(joint, ["x"], { x: row }));
    close(got["whole"], whole);
    close(got["drawn"], whole);
  });

  it("a matrix of latents and noise that differs from row to row", () => {
    const text = `model M {
      data x : real[3]
      latent z : real[2, 2]
      param W : real[4, 3]
      density p(x, z) {
        z ~ Normal(0, 1)
        x ~ Normal(reshape(z, 4) @ W, 0.5)
      }
      density r(x, z | y) {
        z ~ Normal(0, exp(y[1]))
        x ~ Normal(reshape(z, 4) @ W, exp(y))
      }
      data y : real[3]
      evaluate {
        whole = log p(x)
        given = log r(x | y)
      }
      ${train("log p(x)")}
    }`
      .replace("data x : real[3]\n", "data x : real[3], y : real[3]\n")
      .replace("      data y : real[3]\n", "");
    const x = rowsOf(spread(9, 4), 3);
    const y = rowsOf(spread(9, 7), 3);
    const got = values(text, { W }, { x, y });
    const node = (prior: number, noise: readonly number[]) =>
      jointOf({
        z: { bias: [0, 0, 0, 0], parents: {}, factor: diagonal([prior, prior, prior, prior]) },
        x: { bias: [0, 0, 0], parents: { z: rowsOf(W, 3) }, factor: diagonal(noise) },
      });
    close(
      got["whole"],
      x.map((row) => logOf(node(1, [0.5, 0.5, 0.5]), ["x"], { x: row })),
    );
    close(
      got["given"],
      x.map((row, i) => logOf(node(Math.exp(y[i]![0]!), y[i]!.map(Math.exp)), ["x"], { x: row })),
    );
  });
});

describe("a mixture of factor analysers (Ghahramani & Hinton 1996)", () => {
  const [K, Z, D] = [2, 2, 3];
  const [W, mu, w] = [spread(K * Z * D, 1), spread(K * D, 2), [0.3, -0.4]];
  const text = `model M {
    data x : real[${D}]
    latent c : category[${K}], z : real[${Z}]
    param W : real[${K}, ${Z}, ${D}], mu : real[${K}, ${D}], w : real[${K}]
    density p(x, c, z) {
      c ~ Categorical(logits = w)
      z ~ Normal(0, 1)
      x ~ Normal(z @ W[c] + mu[c], 0.5)
    }
    evaluate {
      whole = log p(x)
      drawn = E[c, z ~ p(c, z | x)](log p(x, c, z) - log p(c, z | x))
    }
    ${train("log p(x)")}
  }`;
  it("sums over the components, and is drawn given each", () => {
    const x = rowsOf(spread(9, 4), D);
    const got = values(text, { W, mu, w }, { x });
    const total = Math.log(w.reduce((s, v) => s + Math.exp(v), 0));
    const whole = x.map((row) =>
      Math.log(
        w.reduce((sum, v, k) => {
          const joint = jointOf({
            z: { bias: [0, 0], parents: {}, factor: diagonal([1, 1]) },
            x: {
              bias: mu.slice(k * D, (k + 1) * D),
              parents: { z: rowsOf(W.slice(k * Z * D, (k + 1) * Z * D), D) },
              factor: diagonal([0.5, 0.5, 0.5]),
            },
          });
          return sum + Math.exp(v - total + logOf(joint, ["x"], { x: row }));
        }, 0),
      ),
    );
    close(got["whole"], whole);
    close(got["drawn"], whole);
  });

  it("z alone has a mixture for its posterior, which is an error", () => {
    const { diagnostics } = compile({
      path: "m.gm",
      text: text.replace("E[c, z ~ p(c, z | x)]", "E[z ~ p(z | x)]").replace("log p(x, c, z) - log p(c, z | x)", "sum(z)"),
    });
    expect(diagnostics.map((d) => [d.code, ...(d.notes ?? [])])).toEqual([
      ["GM3531", "`c` has 2 states and no value: the posterior is a mixture over them"],
    ]);
    // the way out that is offered compiles
    const way = /`(E\[c, z ~ p\(c, z \| x\)\])\(…\)` is exact/.exec(diagnostics[0]?.help?.[0] ?? "")?.[1];
    const out = compile({
      path: "m.gm",
      text: text.replace(/E\[c, z ~ p\(c, z \| x\)\]/, way ?? "").replace("log p(x, c, z) - log p(c, z | x)", "sum(z)"),
    });
    expect([way, out.diagnostics]).toEqual(["E[c, z ~ p(c, z | x)]", []]);
  });
});

describe("the posterior", () => {
  const [W, b] = [spread(6, 1), spread(3, 3)];
  const text = `model M {
    data x : real[3]
    latent z : real[2]
    param W : real[2, 3], b : real[3]
    density p(x, z) {
      z ~ Normal(0, 1)
      x ~ Normal(z @ W + b, 0.4)
    }
    evaluate {
      first = E[z[1..4000] ~ p(z | x)](mean[i in 1..4000](z[i][1]))
      second = E[z[1..4000] ~ p(z | x)](mean[i in 1..4000](z[i][1] * z[i][2]))
    }
    ${train("log p(x)")}
  }`;
  const x = rowsOf(spread(9, 4), 3);
  const joint = jointOf({
    z: { bias: [0, 0], parents: {}, factor: diagonal([1, 1]) },
    x: { bias: b, parents: { z: rowsOf(W, 3) }, factor: diagonal([0.4, 0.4, 0.4]) },
  });
  /** Σzx Σxx^-1 (x - m), Σzz - Σzx Σxx^-1 Σxz */
  const { C } = joint(["z", "x"]);
  const [zx, xx] = [C.slice(0, 2).map((r) => r.slice(2)), C.slice(2).map((r) => r.slice(2))];
  const gain = multiply(zx, inverted(xx).inverse);
  const means = x.map((row) => gain.map((g) => g.reduce((s, v, i) => s + v * (row[i]! - b[i]!), 0)));
  const covariance = plus(
    C.slice(0, 2).map((r) => r.slice(0, 2)),
    multiply(gain, transposed(zx)).map((r) => r.map((v) => -v)),
  );

  it("is what infers latents from data: its mean is exact", () => {
    const loaded = loadModel(text);
    expect(loaded.model.inference).toBe("posteriorP");
    const got = runModel(
      loaded,
      ({ f, w, x: data, key, rows }) => ({ mean: (f("posteriorP")(w, key, rows, data) as unknown as { means: { z: never } }).means.z }),
      { data: { x: { shape: [B, 3], data: x.flat() } }, state: { W, b } },
    );
    close(got["mean"], means.flat(), 10);
  });

  it("has draws with its moments", () => {
    const got = values(text, { W, b }, { x });
    const deviation = Math.sqrt(covariance[0]![0]! / 4000);
    means.forEach((m, i) => {
      expect(Math.abs(got["first"]![i]! - m[0]!)).toBeLessThan(4.5 * deviation);
      const product = covariance[0]![1]! + m[0]! * m[1]!;
      expect(Math.abs(got["second"]![i]! - product)).toBeLessThan(0.06);
    });
  });
});

describe("training through draws from the posterior", () => {
  it("has the gradient of log p(x), of which the objective is another form at any draw", async () => {
    const text = (objective: string): string => `model M {
      data x : real[3]
      latent z : real[2]
      param W : real[2, 3], b : real[3], s : positive[3]
      density p(x, z) { z ~ Normal(0.3, 1.2)   x ~ Normal(z @ W + b, s) }
      ${train(objective)}
    }`;
    const f32 = (v: readonly number[]): number[] => v.map(Math.fround);
    const weights = { W: f32(spread(6, 1)), b: f32(spread(3, 2)), s: f32(spread(3, 3)) };
    const run = { weights, data: { x: f32(spread(9, 4)) }, rows: B };
    const exact = await gradientsOf(loadModel(text("log p(x)")).model, run);
    const drawn = loadModel(text("E[z ~ p(z | x)](log p(x, z) - log p(z | x))"));
    const [note] = drawn.compiled.derived!.phases[0]!.updates[0]!.derived.notes;
    expect([note?.estimator, note?.gradient?.path, note?.gradient?.weights]).toEqual(["reparam", "reparameterised", ["W", "b", "s"]]);
    const sampled = await gradientsOf(drawn.model, { ...run, seed: 3 });
    for (const [path, { mean }] of Object.entries(exact.gradients)) close(sampled.gradients[path]?.mean, mean, 5);
  });
});

describe("what is not jointly normal", () => {
  const refused = (z: string, x: string): readonly unknown[] => {
    const { diagnostics } = compile({
      path: "m.gm",
      text: `model M {
  data x : real[2]
  latent z : real[2], u : real[2]
  density p(x, z, u) {
    z ~ ${z}
    u ~ Normal(0, 1)
    x ~ ${x}
  }
  train { maximize log p(x) }
}`,
    });
    return diagnostics.flatMap((d) => (d.severity === "error" ? [d.code, ...(d.notes ?? [])] : []));
  };
  it.each([
    ["Normal(0, 1)", "Normal(z * u, 1)", "the location of `x` is not affine in `z`, `u`: `mul` of two values that both depend on it"],
    ["Normal(0, 1)", "Normal(z + u, exp(u))", "the scale of `x` depends on `u`"],
    ["Laplace(0, 1)", "Normal(z + u, 1)", "`z` is not drawn from a Normal"],
    ["Normal(0, 1)", "Laplace(z + u, 1)", "`x` is not drawn from a Normal"],
  ])("z ~ %s, x ~ %s", (z, x, why) => {
    expect(refused(z, x)).toEqual(["GM3501", why]);
  });
});
