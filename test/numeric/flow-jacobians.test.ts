/**
 * Flows as models write them, with templates, conditions and bijections of their own: log-determinants in float64 against dense Jacobians by exact
 * derivatives, to 1e-8, in every direction that a flow has. (The bijections of the runtime one by one: flow-bijections.test.ts.)
 */
import { describe, expect, it } from "vitest";
import type { Bijector, Tensor } from "../../src/runtime/index.js";
import * as gmc from "../../src/runtime/index.js";
import { bijections } from "../../src/ir/flows.js";
import { logAbsDet, normals, someWeights } from "../support/flow-model.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";

interface Written {
  readonly flow: string;
  readonly D: number;
  /** Shapes of z and x, where they are no vectors of D. */
  readonly from?: string;
  readonly to?: string;
  readonly range?: string;
  /** Before the flow, in the model; before the model. */
  readonly nets?: string;
  readonly file?: string;
  /** What the flow is conditioned on. */
  readonly given?: boolean;
  /** How values of z come of draws. */
  readonly z?: (draw: number) => number;
  readonly spread?: number;
}

const flows: readonly Written[] = [
  { flow: "flow f on real[D] = repeat(3) { coupling(mlp([6])) |> reverse } |> affine", D: 5 },
  { flow: "flow f on real[D] = repeat(2) { additive_coupling(mlp([6])) |> permute(order = 3) } |> actnorm", D: 4 },
  { flow: "flow f on real[D] = spline_flow(mlp([6]), steps = 2, bins = 4)", D: 5, spread: 0.3 },
  { flow: 'flow f on real[D] = maf(made_values([8]), 3, scale = "tanh")', D: 6, spread: 0.3 },
  { flow: "flow f on real[D] = iaf(made_values([8]), 3)", D: 6 },
  {
    flow: "flow f on real[D] = maf(made_values([8]), 2) |> spline_coupling(mlp([5]), bins = 3) |> invertible_linear |> iaf(made_values([6]), 1)",
    D: 5,
    spread: 0.25,
  },
  { flow: "flow f on real[D] = planar |> radial |> planar", D: 4 },
  { flow: "flow f on real[D] = sylvester(2) |> reverse |> sylvester(4)", D: 4 },
  { flow: "flow f on real[D] -> positive[D] = coupling(mlp([5])) |> softplus", D: 3, range: "positive" },
  { flow: "flow f on real[D] -> unit[D] = coupling(mlp([5])) |> sigmoid", D: 3, range: "unit" },
  { flow: "flow f on unit[D] = logit |> affine |> sigmoid", D: 3, range: "unit", z: (v) => 1 / (1 + Math.exp(-v)) },
  { flow: "flow f on real[D] -> positive[D] = affine |> exp", D: 3, range: "positive" },
  {
    flow: "flow f on real[2, 2, 8] -> real[4, 4, 2] = glow_step(cnn(3)) |> squeeze",
    D: 32,
    from: "[2, 2, 8]",
    to: "[4, 4, 2]",
    spread: 0.2,
    file: "net cnn(t, H) = t |> conv(H, 3) |> tanh",
  },
  {
    flow: "flow f on real[2, 2, 8] -> real[4, 4, 2] = multi_scale(repeat(2) { glow_step(cnn(3)) }) |> squeeze",
    D: 32,
    from: "[2, 2, 8]",
    to: "[4, 4, 2]",
    spread: 0.2,
    file: "net cnn(t, H) = t |> conv(H, 3) |> tanh",
  },
  // conditions
  {
    flow: "flow f(z | e) on real[D] = repeat(2) { coupling(cn(e)) |> reverse }",
    D: 4,
    nets: "net cn(t, e) = concat(t, e) |> mlp([6])",
    given: true,
  },
  { flow: "flow f(z | e) on real[D] = iaf(cond(e), 2)", D: 5, file: "net cond(t, h) = made_values_given(t, h, [8])", given: true },
  {
    flow: 'flow f(z | e) on real[D] = maf(cond(e), 2, scale = "tanh")',
    D: 5,
    file: "net cond(t, h) = made_values_given(t, h, [8])",
    given: true,
    spread: 0.3,
  },
  {
    flow: "flow f(z | e) on real[D] { forward(z) = z * exp(s(e)) + tanh(s(e))  inverse(x) = (x - tanh(s(e))) / exp(s(e)) }",
    D: 4,
    nets: "net s(e) = e |> dense(4)",
    given: true,
  },
  // written out, by the structure of the Jacobian
  { flow: "flow f on real[D] -> positive[D] { forward(z) = exp(a * z)  inverse(x) = log(x) / a }", D: 3, range: "positive" },
  { flow: "flow f on real[D] { forward(z) = z + 0.3 * sin(z) * w / (1 + abs(w)) }", D: 4 },
  {
    flow: "flow f on real[D] { forward(z) = stack(z[1] * exp(z[2]) + z[2]^2, 2 * z[2])  inverse(x) = stack((x[1] - (x[2] / 2)^2) / exp(x[2] / 2), x[2] / 2) }",
    D: 2,
  },
  {
    flow: "flow f on real[D] { forward(z) = concat(z[1..2], bend(s(z[1..2]), z[3..4]))  inverse(x) = concat(x[1..2], (x[3..4] - s(x[1..2])^2) / exp(s(x[1..2]))) }",
    D: 4,
    nets: "net bend(a, b) = b * exp(a) + a^2  net s(v) = v |> dense(4) |> tanh |> dense(2)",
  },
  { flow: "flow f on real[D] { forward(z) = z @ A + w }", D: 4 },
  { flow: "flow f on real[D] { forward(z) = z + 0.2 * u * tanh(w @ z + 0.3) }", D: 4 },
  { flow: "flow f on real[D] { forward(z) = z + 0.5 * (z - w) / (a + norm(z - w)) }", D: 3 },
  { flow: "flow f on real[D] { forward(z) = cumsum(z + 0.3 * sin(z)) }", D: 6 },
  { flow: "flow f on real[D] { forward(z) = z + 0.2 * tanh(z @ A)  jacobian = dense }", D: 5 },
  { flow: "flow g on real[D] { forward(z) = z + 0.4 * sin(z)  }  flow f on real[D] = g |> affine |> planar", D: 4 },
];

const text = ({ flow, D, from = "[D]", to = "[D]", range = "real", nets = "", file = "", given }: Written): string => `
${file}
model M(D = ${D}) {
  latent z : ${flow.includes("on unit") ? "unit" : "real"}${from}
  ${given ? "data e : real[3]" : ""}
  latent x : ${range}${to}
  param w : real[D]  param u : real[D]  param a : positive  param A : real[D, D]
  ${nets}
  ${flow}
  density p(x, z${given ? " | e" : ""}) { z ~ ${flow.includes("on unit") ? "Uniform(0, 1)" : "Normal(0, 1)"}  x = f(z${given ? " | e" : ""}) }
  objective entropy = E[x ~ p(x${given ? " | e" : ""})](log p(x${given ? " | e" : ""}))
  train { minimize entropy }
}`;

/** Of one row: the value, the stated log-determinant, and the rows of the Jacobian. */
function taken(
  loaded: Loaded,
  { given }: Written,
  state: Readonly<Record<string, readonly number[]>>,
  direction: "forward" | "inverse",
  at: readonly number[],
): { readonly value: readonly number[]; readonly logDet: number; readonly dense: number } {
  const side = loaded.model.latents[direction === "forward" ? "z" : "x"]!.shape;
  const n = at.length;
  const out = runModel(
    loaded,
    ({ f, w, x, key }) => {
      const make = f("f") as unknown as (...args: unknown[]) => Bijector;
      // only what the function declares: weights, conditions, a key
      const text = /export function f\(([^)]*)\)/u.exec(loaded.js)![1]!;
      const names = text.split(",").map((name) => name.trim());
      const flow = make(...names.map((name) => (name === "w" ? weightsOfFlow(w, loaded) : name === "key" ? key : x[name])));
      const { value, logDet } = flow[direction](x["at"]!);
      const flat: Tensor = gmc.reshape(value, [1, n]);
      const rows = Array.from({ length: n }, (_, i) => gmc.reshape(gmc.grad(gmc.sum(gmc.sliceAxis(flat, -1, i, i + 1)), [x["at"]!])[0]!, [n])); // prettier-ignore
      return { value, logDet, rows: gmc.stack(rows, 0) };
    },
    {
      data: { at: { shape: [1, ...side], data: at }, ...(given ? { e: { shape: [1, 3], data: normals(8, 3) } } : {}) },
      state,
      mode: "eval",
    },
  );
  const matrix = Array.from({ length: n }, (_, i) => out["rows"]!.slice(i * n, (i + 1) * n));
  return { value: out["value"]!, logDet: out["logDet"]![0]!, dense: logAbsDet(matrix) };
}

/** The part of the weights that the flow's function takes. */
function weightsOfFlow(w: object, loaded: Loaded): unknown {
  const of = /export function f\(w: Weights((?:\["\w+"\])*)/u.exec(loaded.ts);
  return [...(of?.[1] ?? "").matchAll(/\["(\w+)"\]/gu)].reduce((part: unknown, [, name]) => (part as Record<string, unknown>)[name!], w);
}

describe("log-determinants against dense Jacobians, to 1e-8", () => {
  it.each(flows)("$flow", (written) => {
    const loaded = loadModel(text(written));
    const { D, z: place = (v: number) => v, spread = 0.5 } = written;
    const state = {
      ...someWeights(loaded, 4, spread),
      A: normals(9, D * D).map((v, i) => 0.3 * v + (i % (D + 1) === 0 ? 1 : 0)),
    };
    for (const seed of [1, 2]) {
      const z = normals(seed, D).map(place);
      const forward = taken(loaded, written, state, "forward", z);
      expect(forward.logDet).toBeCloseTo(forward.dense, 8);
      if (!hasInverse(loaded)) continue;
      const back = taken(loaded, written, state, "inverse", forward.value);
      back.value.forEach((v, i) => expect(v).toBeCloseTo(z[i]!, 8));
      expect(back.logDet).toBeCloseTo(-forward.dense, 8);
      expect(back.dense).toBeCloseTo(-forward.dense, 8);
    }
  });

  it("every bijection of the language stands in one of them", () => {
    const tried = new Set(
      flows.flatMap((written) =>
        loadModel(text(written)).compiled.derived!.model.flows.flatMap(({ steps }) =>
          steps.flatMap((step) => (step.kind === "bijection" ? [step.instance.bijection] : [])),
        ),
      ),
    );
    // noise under bytes has no Jacobian
    expect([...bijections.keys()].filter((name) => !tried.has(name))).toEqual(["dequantize"]);
  });
});

describe("conditions called as a bijection calls its input", () => {
  const logPy = (condition: string, base: string): number => {
    const loaded = loadModel(`
model M {
  data y : real[2], ${condition} : real[2]
  latent ${base} : real[2]
  param a : real = 0.3
  flow f(${base} | ${condition}) on real[2] {
    forward(${base}) = ${condition} + exp(a) * ${base}
    inverse(v) = (v - ${condition}) * exp(-a)
  }
  density p(y, ${base} | ${condition}) { ${base} ~ Normal(0, 1)  y = f(${base} | ${condition}) }
  train { maximize log p(y | ${condition}) }
}`);
    return runModel(
      loaded,
      ({ w, x, key, rows }) => ({
        value: loaded.model.train[0]!.updates[0]!.value({ w, data: x, key, rows, schedule: {}, carried: {} } as never),
      }),
      { data: { y: { shape: [1, 2], data: [0.5, -1] }, [condition]: { shape: [1, 2], data: [0.2, 0.7] } }, state: { a: [0.3] } },
    )["value"]![0]!;
  };

  it.each([
    ["x", "z"],
    ["z", "e"],
    ["t", "z"],
    ["h", "z"],
  ])("%s, over %s", (condition, base) => {
    const z = [0.5 - 0.2, -1 - 0.7].map((v) => v * Math.exp(-0.3));
    const wanted = z.reduce((sum, v) => sum - v ** 2 / 2 - Math.log(2 * Math.PI) / 2 - 0.3, 0);
    expect(logPy(condition, base)).toBeCloseTo(wanted, 8);
  });
});

/** Whether the derivation knows a way back. */
function hasInverse({ compiled }: Loaded): boolean {
  return compiled.derived!.model.flows.find(({ name }) => name === "f")!.directions.inverse !== "none";
}
