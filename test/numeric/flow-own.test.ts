/** Bijections that a model writes out: their log-determinants, derived from the structure of the Jacobian, against central differences. */
import { describe, expect, it } from "vitest";
import { train } from "../../src/runtime/node/index.js";
import { compile } from "../../src/compile.js";
import { loadModel, runModel } from "../support/model.js";
import { drawn, logDetOf, logNormal, normals, someWeights } from "../support/flow-model.js";

const text = (flow: string, D: number, range = "real"): string => `
model M(D = ${D}) {
  latent z : real[D], x : ${range}[D]
  param w : real[D]  param u : real[D]  param a : positive  param A : real[D, D]
  ${flow}
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  objective entropy = E[x ~ p(x)](log p(x))
  train { minimize entropy }
}`;

const structureIn = (flow: string, D: number, range?: string): string | undefined => {
  const { derived, diagnostics } = compile({ path: "test.gm", text: text(flow, D, range) });
  const [step] = derived?.model.flows[0]?.steps ?? [];
  return step?.kind === "own" ? step.jacobian.kind : diagnostics[0]?.code;
};

describe("flows that are written out", () => {
  it.each([
    ["elementwise", "flow f on real[D] -> positive[D] { forward(z) = exp(a * z)  inverse(x) = log(x) / a }", 3, "positive"],
    ["elementwise", "flow f on real[D] { forward(z) = z + 0.3 * sin(z) * w / (1 + abs(w)) }", 4, "real"],
    [
      "triangular",
      "flow f on real[D] { forward(z) = stack(z[1] * exp(z[2]) + z[2]^2, 2 * z[2])  inverse(x) = stack((x[1] - (x[2] / 2)^2) / exp(x[2] / 2), x[2] / 2) }",
      2,
      "real",
    ],
    ["elementwise", "net g(v) { h = tanh(v)  return v + 0.5 * h }  flow f on real[D] { forward(z) = g(z) }", 3, "real"],
    [
      "triangular",
      "net bend(a, b) = b * exp(a) + a^2  net s(v) = v |> dense(4) |> tanh |> dense(2)  flow f on real[D] { forward(z) = concat(z[1..2], bend(s(z[1..2]), z[3..4]))  inverse(x) = concat(x[1..2], (x[3..4] - s(x[1..2])^2) / exp(s(x[1..2]))) }",
      4,
      "real",
    ],
    ["triangular", "flow f on real[D] { forward(z) = concat(z[1..2], z[3..4] * exp(z[1..2]) + w[1] * z[2] * z[1]) }", 4, "real"],
    ["triangular", "flow f on real[D] { forward(z) = stack(z[3], z[1] + z[3]^3, z[2] * exp(z[1])) }", 3, "real"],
    ["linear", "flow f on real[D] { forward(z) = z @ A + w }", 3, "real"],
    ["rankOne", "flow f on real[D] { forward(z) = z + 0.2 * u * tanh(w @ z + 0.3) }", 4, "real"],
    ["rankOne", "flow f on real[D] { forward(z) = z + 0.5 * (z - w) / (a + norm(z - w)) }", 3, "real"],
    [
      "rankOne",
      "flow f on real[D] { forward(z) = sinh(z) + 0.1 * u * sigmoid(sum(z * w)) }".replace("sinh(z)", "(exp(z) - exp(-z))"),
      3,
      "real",
    ],
    ["rankOne", "flow f on real[D] { forward(z) = z + 0.1 * u * tanh(sum(z)) * sum(z) }", 4, "real"],
    ["triangular", "flow f on real[D] { forward(z) = cumsum(z + 0.3 * sin(z)) }", 5, "real"],
    // more than a linear map without structure may have
    [
      "triangular",
      "flow f on real[D] { forward(z) = cumsum(exp(w) * z)  inverse(x) = (x - concat(zeros(1), x[1..D-1])) / exp(w) }",
      40,
      "real",
    ],
    ["dense", "flow f on real[D] { forward(z) = z + 0.2 * tanh(z @ A)  jacobian = dense }", 3, "real"],
    [
      "dense",
      "flow f on real[D] { forward(z) = stack(z[1] * cos(norm(z)) - z[2] * sin(norm(z)), z[1] * sin(norm(z)) + z[2] * cos(norm(z)))  inverse(x) = stack(x[1] * cos(norm(x)) + x[2] * sin(norm(x)), x[2] * cos(norm(x)) - x[1] * sin(norm(x)))  jacobian = dense }",
      2,
      "real",
    ],
  ])("%s: %s", (kind, flow, D, range) => {
    expect(structureIn(flow, D, range)).toBe(kind);
    const loaded = loadModel(text(flow, D, range));
    const state = { ...someWeights(loaded, 4), A: normals(9, D * D).map((v, i) => 0.4 * v + (i % (D + 1) === 0 ? 1 : 0)) };
    const update = loaded.model.train[0]!.updates[0]!;
    for (const seed of [1, 2]) {
      const { value, z } = runModel(
        loaded,
        ({ f, w, key, rows }) => ({
          value: update.value({ w, data: {}, key, rows, schedule: {}, carried: {} } as never),
          z: (f("sampleP")(w, key, rows, {}) as unknown as { values: { z: never } }).values.z,
        }),
        { state, seed },
      );
      const given = { z: { shape: [1, D], data: z! } };
      expect(value![0]).toBeCloseTo(logNormal(z!) - logDetOf(loaded, "sampleP", state, given, "z", "x"), 5);
    }
  });

  it.each([
    [
      "stack(e[1] * z[1] - z[2], z[1] + e[2] * z[2]) + e",
      "stack(e[2] * (x[1] - e[1]) + x[2] - e[2], e[1] * (x[2] - e[2]) - x[1] + e[1]) / (e[1] * e[2] + 1)",
    ],
    ["z @ reshape(concat(e, stack(-1, 2)), 2, 2)", "stack(2 * x[1] + x[2], e[1] * x[2] - e[2] * x[1]) / (2 * e[1] + e[2])"],
    // the matrix is alike for all rows, the shift is not
    ["stack(z[1] - 2 * z[2], z[1] + z[2]) + e", "stack(x[1] - e[1] + 2 * (x[2] - e[2]), x[2] - e[2] - x[1] + e[1]) / 3"],
  ])("a linear map of each row's own condition, %s", (forward, inverse) => {
    const loaded = loadModel(`
model M {
  data x : real[2], y : real[2]
  latent z : real[2]
  param w : real
  flow f(z | e) on real[2] { forward(z) = ${forward}  inverse(x) = ${inverse} }
  density p(x, z | y) { z ~ Normal(w, 1)  x = f(z | y) }
  train { maximize log p(x | y) }
}`);
    const state = { w: [0] };
    const update = loaded.model.train[0]!.updates[0]!;
    const density = (x: readonly number[], y: readonly number[]): readonly number[] => {
      const shape = [x.length / 2, 2];
      const { value } = runModel(
        loaded,
        ({ w, x: data, key, rows }) => ({ value: update.value({ w, data, key, rows, schedule: {}, carried: {} } as never) }),
        { data: { x: { shape, data: x }, y: { shape, data: y } }, state },
      );
      return value!;
    };
    // as many rows as entries, and other numbers
    for (const rows of [1, 2, 3]) {
      const [all, conditions] = [normals(4, 2 * rows), normals(5, 2 * rows)];
      const alone = Array.from({ length: rows }, (_, r) => {
        const [z, y] = [all, conditions].map((v) => v.slice(2 * r, 2 * r + 2)) as [number[], number[]];
        const given = { z: { shape: [1, 2], data: z }, y: { shape: [1, 2], data: y } };
        const x = drawn(loaded, "sampleP", state, given)["x"]!;
        const expected = logNormal(z) - logDetOf(loaded, "sampleP", state, given, "z", "x");
        expect(density(x, y)[0]).toBeCloseTo(expected, 5);
        return { x, expected };
      });
      const together = density(
        alone.flatMap((row) => row.x),
        conditions,
      );
      expect(together).toHaveLength(rows);
      alone.forEach(({ expected }, r) => expect(together[r]).toBeCloseTo(expected, 5));
    }
  });

  it.each([
    // staging makes log(exp(x)) of these x, and takes log(sigmoid(x)) apart
    ["log(z)", "exp(x)", "positive", (x: number) => x],
    ["log(z) - log(1 - z)", "sigmoid(x)", "unit", (x: number) => -x - 2 * Math.log1p(Math.exp(-x))],
    ["log(z) + 2", "exp(x - 2)", "positive", (x: number) => x - 2],
  ] as const)("the log-determinant of %s counts what its inverse %s undoes", (forward, inverse, range, logSlope) => {
    const loaded = loadModel(`
model M(D = 2) {
  data x : real[D]
  latent z : ${range}[D]
  flow f on ${range}[D] -> real[D] { forward(z) = ${forward}  inverse(x) = ${inverse} }
  density p(x, z) { z ~ Uniform(0, 1)  x = f(z) }
  train { maximize log p(x) }
}`);
    const x = [-0.9, -1.6];
    const update = loaded.model.train[0]!.updates[0]!;
    const { value } = runModel(
      loaded,
      ({ w, x: data, key, rows }) => ({ value: update.value({ w, data, key, rows, schedule: {}, carried: {} } as never) }),
      { data: { x: { shape: [1, 2], data: x } } },
    );
    // a uniform density is 1 where z lies: log p(x) is log |dz/dx| alone
    expect(value![0]).toBeCloseTo(
      x.reduce((sum, v) => sum + logSlope(v), 0),
      8,
    );
  });

  it("a step sees the slope of what it undoes of the step before", () => {
    const flow = "flow g on positive[D] -> real[D] { forward(z) = log(z) }  flow f on real[D] = exp |> g |> affine";
    const loaded = loadModel(text(flow, 2));
    const state = someWeights(loaded, 4);
    const update = loaded.model.train[0]!.updates[0]!;
    const { value, z } = runModel(
      loaded,
      ({ f, w, key, rows }) => ({
        value: update.value({ w, data: {}, key, rows, schedule: {}, carried: {} } as never),
        z: (f("sampleP")(w, key, rows, {}) as unknown as { values: { z: never } }).values.z,
      }),
      { state },
    );
    const given = { z: { shape: [1, 2], data: z! } };
    expect(value![0]).toBeCloseTo(logNormal(z!) - logDetOf(loaded, "sampleP", state, given, "z", "x"), 5);
  });

  it("both directions agree", () => {
    const flow =
      "flow f on real[D] { forward(z) = stack(z[1] * exp(z[2]) + z[2]^2, 2 * z[2])  inverse(x) = stack((x[1] - (x[2] / 2)^2) / exp(x[2] / 2), x[2] / 2) }";
    const loaded = loadModel(
      text(flow, 2)
        .replace("latent z : real[D], x : real[D]", "data x : real[D]  latent z : real[D]")
        .replace("objective entropy = E[x ~ p(x)](log p(x))", "")
        .replace("minimize entropy", "maximize log p(x)"),
    );
    const state = someWeights(loaded);
    const z = [0.7, -0.4];
    const given = { z: { shape: [1, 2], data: z } };
    const x = drawn(loaded, "sampleP", state, given)["x"]!;
    const update = loaded.model.train[0]!.updates[0]!;
    const { value } = runModel(
      loaded,
      ({ w, x: data, key, rows }) => ({ value: update.value({ w, data, key, rows, schedule: {}, carried: {} } as never) }),
      {
        data: { x: { shape: [1, 2], data: x } },
        state,
      },
    );
    expect(value![0]).toBeCloseTo(logNormal(z) - logDetOf(loaded, "sampleP", state, given, "z", "x"), 5);
  });

  it("says what it saw where there is no structure", () => {
    expect(structureIn("flow f on real[D] { forward(z) = z + tanh(z @ A) }", 3)).toBe("GM3707");
    expect(structureIn("flow f on real[D] { forward(z) = stack(z[1] + z[2]^2, z[2] + z[1]^2) }", 2)).toBe("GM3707");
    expect(structureIn("flow f on real[D] { forward(z) = stack(z[1], z[1]) }", 2)).toBe("GM3707");
    expect(structureIn("flow f on real[D] { forward(z) = z + tanh(z @ A)  jacobian = dense }", 33)).toBe("GM3708");
  });
});

describe("weights at which the Jacobian is singular", () => {
  it.each(["z @ A", "tanh(z @ A) + z @ A  jacobian = dense"])("%s: the step ends, and the error says what is 0", async (forward) => {
    const model = text(`flow f on real[D] { forward(z) = ${forward} }`, 3)
      .replace("A : real[D, D]", "A : real[D, D] = 0")
      .replace("minimize entropy", "minimize entropy  steps = 3, batch = 4");
    await expect(train(loadModel(model).model, { data: {}, engine: "reference" })).rejects.toMatchObject({
      code: "GM4003",
      message: expect.stringMatching(/^log \|det .*: is minus infinity at step 1/u) as string,
      help: expect.arrayContaining([expect.stringContaining("`init Normal(0, 1)`")]) as string[],
    });
    const started = model.replace("A : real[D, D] = 0", "A : real[D, D] init Normal(0, 1)");
    await expect(train(loadModel(started).model, { data: {}, engine: "reference" })).resolves.toBeDefined();
  });
});

describe("the start of a training", () => {
  const model = (inverse: string): string => `
model M {
  data x : positive[2]
  latent z : real[2]
  param a : positive
  flow f on real[2] -> positive[2] { forward(z) = exp(a * z)  inverse(x) = ${inverse} }
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { maximize log p(x)  steps = 3, batch = 4 }
}`;
  const rows = { x: { shape: [8, 2], data: Float32Array.from(normals(1, 16), (v) => Math.exp(v)) } };

  it("tries whether the inverse undoes the flow", async () => {
    await expect(train(loadModel(model("log(x) / a")).model, { data: rows, engine: "reference" })).resolves.toBeDefined();
    await expect(train(loadModel(model("log(x) / (2 * a)")).model, { data: rows, engine: "reference" })).rejects.toThrow(
      /does not undo it/u,
    );
  });
});
