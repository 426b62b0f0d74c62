/** Which written-out flows are proven to be one to one and to reach their range; what is not is told, and nothing that is wrong is proven. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const codesOf = (flow: string, D = 2): readonly string[] => {
  const text = `
model M(D = ${D}) {
  latent z : real[D], x : real[D]
  param w : real[D]  param a : positive  param u : real[D]
  flow f on real[D]${flow}
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  objective entropy = E[x ~ p(x)](log p(x))
  train { minimize entropy }
}`;
  return found(text);
};

/** Errors, and what is told of flows; parameters that a case leaves alone are not of interest. */
const found = (text: string): readonly string[] =>
  compile({ path: "test.gm", text })
    .diagnostics.filter((d) => d.severity === "error" || d.code.startsWith("GM371"))
    .map((d) => d.code);

interface Expression {
  readonly text: string;
  readonly value: (z: number, u: number, a: number) => number;
}

/** Expressions in z, a real u and a positive a, the same ones each time. */
function elementwise(count: number): readonly Expression[] {
  let state = 12345;
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((n * state) / 2 ** 32);
  };
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const functions: readonly (readonly [string, (x: number) => number])[] = [
    ["exp", Math.exp],
    ["tanh", Math.tanh],
    ["sigmoid", (x) => 1 / (1 + Math.exp(-x))],
    ["softplus", (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
    ["elu", (x) => (x > 0 ? x : Math.expm1(x))],
    ["relu", (x) => Math.max(x, 0)],
    ["sin", Math.sin],
    ["abs", Math.abs],
    ["log", Math.log],
    ["floor", Math.floor],
  ];
  const operators: readonly (readonly [(a: string, b: string) => string, (a: number, b: number) => number])[] = [
    [(a, b) => `(${a}) + (${b})`, (a, b) => a + b],
    [(a, b) => `(${a}) - (${b})`, (a, b) => a - b],
    [(a, b) => `(${a}) * (${b})`, (a, b) => a * b],
    [(a, b) => `(${a}) / (${b})`, (a, b) => a / b],
    [(a, b) => `max(${a}, ${b})`, Math.max],
    [(a, b) => `(${a}) ^ (${b})`, Math.pow],
  ];
  const leaves: readonly Expression[] = [
    { text: "z", value: (z) => z },
    { text: "z", value: (z) => z },
    { text: "u", value: (_, u) => u },
    { text: "a", value: (_z, _u, a) => a },
    { text: "0.5", value: () => 0.5 },
  ];
  const made = (depth: number): Expression => {
    if (depth === 0 || below(8) === 0) return pick(leaves);
    const first = made(depth - 1);
    switch (below(3)) {
      case 0: {
        const [name, f] = pick(functions);
        return { text: `${name}(${first.text})`, value: (z, u, a) => f(first.value(z, u, a)) };
      }
      case 1: {
        const power = pick([-2, -1, 0, 1, 2, 3, 5]);
        return { text: `(${first.text})^(${power})`, value: (z, u, a) => first.value(z, u, a) ** power };
      }
      default: {
        const [text, f] = pick(operators);
        const second = made(depth - 1);
        return { text: text(first.text, second.text), value: (z, u, a) => f(first.value(z, u, a), second.value(z, u, a)) };
      }
    }
  };
  const found: Expression[] = [];
  while (found.length < count) {
    const expression = made(3);
    if (expression.text.includes("z") && expression.text !== "z") found.push(expression);
  }
  return found;
}

describe("one to one", () => {
  it.each([
    "z^3",
    "z^3 + z",
    "2 - z^5",
    "z * w",
    "a * z + u",
    "z + tanh(z)",
    "z + 0.9 * sin(z)",
    "z - 0.5 * tanh(z)",
    "leaky_relu(z, 0.2)",
    "(exp(z) - exp(-z)) / 2",
    "log(exp(z)) * a",
    "z + softplus(z) - 0.5 * sigmoid(4 * z)",
    "-z / (1 + a)",
    "max(z, 2 * z)",
    "stack(z[1], z[2] * exp(z[1]) + z[1]^2)",
    "stack(z[2]^3, z[1] + z[2])",
    "concat(z[1..1], z[2..2] * w[1])",
    "stack(z[1], z[2] * tanh(z[1]))",
    "z + 0.5 * stop(u)",
  ])("proven: %s", (body) => {
    expect(codesOf(` { forward(z) = ${body} }`)).toEqual([]);
  });

  it.each([
    "z^3 - z",
    "z^2 * z - z",
    "z + 1.5 * sin(z)",
    "z - 2 * tanh(z)",
    "z * tanh(z) + z",
    "z - relu(z)",
    "z * w + z",
    "stack(z[1], z[2]^3 - z[1] * z[2])",
    "z + u * tanh(w @ z)",
    // flat between -1 and 1
    "exp(relu(-z - 1)) - a * exp(relu(z - 1))",
    "(-a) * exp(relu(z - 1)) + exp(relu(-z - 1))",
    // all of z[2] onto one value wherever z[1] is below 0
    "stack(z[1], z[2] * relu(z[1]))",
    "stack(z[1], z[2] * max(z[1], 0))",
    "stack(z[1], z[2] * (z[1] - abs(z[1])))",
    "stack(z[1], z[2] * floor(z[1]))",
    "z * relu(w)",
    // of two entries the second alone
    "stack(z[1], z[2]^3 - z[2])",
    "stack(z[1]^3, z[2] * tanh(z[2]))",
  ])("told: %s", (body) => {
    expect(codesOf(` { forward(z) = ${body} }`)).toEqual(["GM3711"]);
  });

  it.each([
    " -> real[D] { forward(z) = log(z) - log(1 - z) }",
    " -> positive[D] { forward(z) = -log(z) }",
    " -> positive[D] { forward(z) = z / (1 - z) }",
    " -> positive[D] { forward(z) = 1 / z - 1 }",
    " -> unit[D] { forward(z) = z^3 }",
    " -> positive[D] { forward(z) = z^-2 - 1 }",
  ])("proven on the unit interval, whose ends are no part of it: %s", (flow) => {
    const range = /-> (\w+)/u.exec(flow)?.[1] ?? "real";
    const model = `
model M(D = 2) {
  latent z : unit[D], x : ${range}[D]
  flow f on unit[D]${flow}
  density p(x, z) { z ~ Uniform(0, 1)  x = f(z) }
  objective entropy = E[x ~ p(x)](log p(x))
  train { minimize entropy }
}`;
    expect(found(model)).toEqual([]);
  });

  it("nothing that turns round or stands still is proven, of expressions put together at random", () => {
    const expressions = elementwise(700);
    const proven = expressions.filter(({ text }) => codesOf(` { forward(z) = ${text} }`).length === 0);
    expect(proven.length).toBeGreaterThan(40);
    expect(proven.length).toBeLessThan(expressions.length / 2);
    for (const { text, value } of proven)
      for (const [u, a] of [
        [0.7, 0.4],
        [-1.3, 2.2],
      ] as const) {
        const values = Array.from({ length: 61 }, (_, i) => value(-1.5 + i / 20, u, a)).filter((v) => !Number.isNaN(v));
        const steps = values.slice(1).map((v, i) => v - values[i]!);
        const turns = steps.some((d) => d > 1e-9) && steps.some((d) => d < -1e-9);
        const stands = steps.some((_, i) => i >= 8 && steps.slice(i - 8, i).every((d) => d === 0));
        expect({ text, turns, stands }).toEqual({ text, turns: false, stands: false });
      }
  });

  it("what `stop` hides is in no log-determinant, with an inverse or without", () => {
    expect(codesOf(" { forward(z) = z + 0.5 * stop(tanh(z)) }")).toEqual(["GM3715"]);
    expect(codesOf(" { forward(z) = stop(tanh(z)) + z  inverse(x) = x }")).toEqual(["GM3715"]);
    expect(codesOf(" { forward(z) = z + stop(z |> dense(2))  jacobian = dense }")).toEqual(["GM3715"]);
  });

  it("an inverse is tried as the training starts, so nothing is told", () => {
    expect(codesOf(" { forward(z) = z^3 - z  inverse(x) = x }")).toEqual([]);
  });

  it("a large flow that works by place", () => {
    expect(codesOf(" { forward(z) = z + tanh(a * z) }", 10_000)).toEqual([]);
  });
});

describe("onto the range", () => {
  it.each([
    [" { forward(z) = tanh(z) }", ["GM3710"]],
    [" { forward(z) = exp(z) }", ["GM3710"]],
    [" { forward(z) = elu(z) }", ["GM3710"]],
    [" { forward(z) = 2 * selu(z^3) }", ["GM3710"]],
    [" { forward(z) = elu(z) + z }", []],
    [" { forward(z) = z^2  inverse(x) = sqrt(x) }", ["GM3710"]],
    [" { forward(z) = z - 9  inverse(x) = exp(log(x)) + 9 }", ["GM3710"]],
    [" { forward(z) = z  inverse(x) = sigmoid(x) }", ["GM3710"]],
    [" -> positive[D] { forward(z) = softplus(z) }", []],
    [" -> positive[D] { forward(z) = 2 ^ z }", []],
    [" -> positive[D] { forward(z) = 0.5 ^ (a * z) }", []],
    [" -> positive[D] { forward(z) = a ^ z }", ["GM3711"]],
    [" -> positive[D] { forward(z) = 1 + exp(z) }", ["GM3710"]],
    [" -> unit[D] { forward(z) = sigmoid(a * z) }", []],
    [" -> unit[D] { forward(z) = tanh(z) }", ["GM3712"]],
    [" -> positive[D] { forward(z) = exp(z) * w }", ["GM3712"]],
    // cones: each entry lies above the one before it
    [" -> positive[D] { forward(z) = cumsum(exp(z)) }", ["GM3710"]],
    [" { forward(z) = concat(z[1..1], z[1..1] - softplus(z[2..2])) }", ["GM3710"]],
    [" -> positive[D] { forward(z) = exp(cumsum(z)) }", []],
    [" { forward(z) = cumsum(z + tanh(z)) }", []],
    [" { forward(z) = cumsum(exp(a) * z) }", []],
  ])("%s", (flow, codes) => {
    const range = /-> (\w+)/u.exec(flow)?.[1] ?? "real";
    const model = `
model M(D = 2) {
  latent z : real[D], x : ${range}[D]
  param w : real[D]  param a : positive
  flow f on real[D]${flow}
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  objective entropy = E[x ~ p(x)](log p(x))
  train { minimize entropy }
}`;
    expect(found(model)).toEqual(codes);
  });
});
