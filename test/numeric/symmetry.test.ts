/**
 * `net f(x) invariant = …`: nets drawn at random, their points put into another order. What the compiler accepts is so to the last digit but a few; what
 * it refuses is mostly not.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { loadModel, runModel } from "../support/model.js";

const N = 4;
const order = [2, 0, 3, 1];

/** Numbers in 0..1, the same in every run. */
function chances(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Value {
  readonly text: string;
  readonly shape: readonly number[];
}

/** A function of a value [N, c], [c, N], [n], …, and the shape of its result; undefined where it takes no such shape. */
type Step = (v: Value) => Value | undefined;

const unary =
  (call: string, out: (s: readonly number[]) => readonly number[] | undefined): Step =>
  ({ text, shape }) => {
    const result = out(shape);
    return result && { text: `${text} |> ${call}`, shape: result };
  };
const ofRank =
  (rank: number, out: (s: readonly number[]) => readonly number[]) =>
  (s: readonly number[]): readonly number[] | undefined =>
    s.length === rank ? out(s) : undefined;
const last = (n: number) => (s: readonly number[]) => (s.length > 0 ? [...s.slice(0, -1), n] : undefined);
const same = (s: readonly number[]): readonly number[] => s;
const steps: readonly Step[] = [
  unary("dense(3)", last(3)),
  unary("dense(4)", last(4)),
  unary("tanh", same),
  unary("relu", same),
  unary(
    "set_dense(3)",
    ofRank(2, (s) => [s[0] ?? 0, 3]),
  ),
  unary("layer_norm", (s) => (s.length > 0 && (s.at(-1) ?? 0) > 1 ? s : undefined)),
  unary("instance_norm", ofRank(2, same)),
  unary("softmax(axis = 1)", (s) => (s.length > 0 ? s : undefined)),
  unary("softmax", (s) => (s.length > 0 ? s : undefined)),
  unary("cumsum(axis = 1)", (s) => (s.length > 0 ? s : undefined)),
  unary("cumsum(axis = 2)", ofRank(2, same)),
  unary("reverse(axis = 1)", (s) => (s.length > 0 ? s : undefined)),
  unary("reverse(axis = 2)", ofRank(2, same)),
  unary(
    "conv1d(3, 1)",
    ofRank(2, (s) => [s[0] ?? 0, 3]),
  ),
  unary(
    "conv1d(3, 3)",
    ofRank(2, (s) => [s[0] ?? 0, 3]),
  ),
  unary(
    "transpose",
    ofRank(2, (s) => [s[1] ?? 0, s[0] ?? 0]),
  ),
  unary("flatten", (s) => (s.length > 1 ? [s.reduce((a, b) => a * b, 1)] : undefined)),
  ({ text, shape }) =>
    shape.length === 2 ? { text: `${text} |> reshape(${shape[0]}, 1, ${shape[1]}) |> sum(axis = 2)`, shape } : undefined,
  ({ text, shape: [a = 0, b = 0, ...more] }) =>
    more.length === 0 && b > 0 ? { text: `${text} |> reshape(${b}, ${a})`, shape: [b, a] } : undefined,
  unary("mean(axis = 1)", (s) => (s.length > 1 ? s.slice(1) : undefined)),
  unary("max(axis = 1)", (s) => (s.length > 1 ? s.slice(1) : undefined)),
  unary(
    "logsumexp(axis = 2)",
    ofRank(2, (s) => [s[0] ?? 0]),
  ),
  unary("norm(axis = 1)", (s) => (s.length > 1 ? s.slice(1) : undefined)),
  unary("tril", (s) => (s.length === 2 && s[0] === s[1] ? s : undefined)),
  unary(
    "with_itself",
    ofRank(2, (s) => [s[0] ?? 0, 2 * (s[1] ?? 0)]),
  ),
  unary(
    "behind_itself",
    ofRank(2, (s) => [2 * (s[0] ?? 0), s[1] ?? 0]),
  ),
  unary("attention", ofRank(2, same)),
  unary(
    "gram",
    ofRank(2, (s) => [s[0] ?? 0, s[0] ?? 0]),
  ),
  unary("weighted", ofRank(2, same)),
  unary("centred", ofRank(2, same)),
  unary("placed", ofRank(2, same)),
  unary("gated_tanh", (s) => (s.length > 0 && (s.at(-1) ?? 1) % 2 === 0 ? [...s.slice(0, -1), (s.at(-1) ?? 0) / 2] : undefined)),
  unary(
    "pad(low = [1, 0], high = [0, 0])",
    ofRank(2, (s) => [(s[0] ?? 0) + 1, s[1] ?? 0]),
  ),
  unary(
    "pad(low = [0, 0], high = [0, 1])",
    ofRank(2, (s) => [s[0] ?? 0, (s[1] ?? 0) + 1]),
  ),
  unary("at_first", (s) => (s.length > 1 ? s.slice(1) : undefined)),
];

const library = `
net with_itself(x) = concat(x, tanh(x))
net behind_itself(x) = concat(x, tanh(x), axis = 1)
net attention(x) = softmax(x @ transpose(x)) @ x
net gram(x) = x @ transpose(x)
net weighted(x) = softmax(x, axis = 1) * x
net centred(x) = x - mean(x, axis = 1)
net placed(x) = x + (x |> flatten |> dense(1))
net at_first(x) = x[1]
`;

function randomNet(random: () => number): Value {
  let value: Value = { text: "x", shape: [N, 3] };
  const length = 1 + Math.floor(random() * 5);
  for (let i = 0; i < length; i++) {
    const fit = steps.map((step) => step(value)).filter((v) => v !== undefined);
    const next = fit[Math.floor(random() * fit.length)];
    if (next && next.shape.reduce((a, b) => a * b, 1) < 200) value = next;
  }
  const end = random();
  if (end < 0.25 && value.shape.length > 0) return { text: `${value.text} |> sum`, shape: [] };
  if (end < 0.4 && value.shape.length > 0) return { text: `${value.text} |> flatten |> dense(1) |> sum`, shape: [] };
  return value;
}

const model = (nets: readonly string[]): string => `${library}
model M {
  data x : real[${N}, 3]
${nets.map((n) => `  ${n}`).join("\n")}
  train { maximize ${nets.map((_, i) => `sum(n${i}(x))`).join(" + ")} }
}`;

const declared = (text: string, kind: string): boolean => {
  const { diagnostics } = compile({ path: "t.gm", text: model([`net n0(x) ${kind} = ${text}`]) });
  const errors = diagnostics.filter((d) => d.severity === "error");
  for (const d of errors) expect(d.code, `${text}: ${d.message}`).toBe("GM3752");
  return errors.length === 0;
};

const spread = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => 1.3 * Math.sin(1.7 * (i + 1) * seed + seed));
const inOrder = <T>(rows: readonly T[]): readonly T[] => order.map((i) => rows[i] as T);

describe("nets of sets, drawn at random", () => {
  const random = chances(7);
  const nets = Array.from({ length: 220 }, () => randomNet(random));
  const loaded = loadModel(model(nets.map(({ text }, i) => `net n${i}(x) = ${text}`)));
  const state = Object.fromEntries(
    leavesOf(loaded.model.weights).map(({ path, spec }, i) => [
      path,
      spread(
        spec.shape.reduce((a, b) => a * b, 1),
        1 + (i % 17),
      ),
    ]),
  );
  const rows = Array.from({ length: N }, (_, i) => spread(3, 2 + i));
  const run = (x: readonly (readonly number[])[]): Readonly<Record<string, readonly number[]>> =>
    runModel(
      loaded,
      ({ f, w, x: { x: points } }) =>
        Object.fromEntries(nets.map((_, i) => [`n${i}`, call(f(`n${i}`), (w as Readonly<Record<string, unknown>>)[`n${i}`], points)])),
      { data: { x: { shape: [1, N, 3], data: x.flat() } }, state },
    );
  const [before, after] = [run(rows), run(inOrder(rows))];
  const agree = (a: readonly number[], b: readonly number[]): boolean =>
    a.length === b.length && a.every((v, i) => Math.abs(v - (b[i] ?? NaN)) < 1e-9 * (1 + Math.abs(v)));

  it.each(["invariant", "equivariant"] as const)("what is accepted as %s is so, and most of what is refused is not", (kind) => {
    let [accepted, rightly, needlessly] = [0, 0, 0];
    nets.forEach(({ text, shape }, i) => {
      const [a, b] = [before[`n${i}`] ?? [], after[`n${i}`] ?? []];
      const width = a.length / N;
      const moved = Array.from({ length: N }, (_, n) => a.slice(n * width, (n + 1) * width));
      const holds = kind === "invariant" ? agree(a, b) : shape[0] === N && agree(inOrder(moved).flat(), b);
      if (declared(text, kind)) {
        accepted++;
        expect(holds, `${kind}: ${text}`).toBe(true);
      } else if (holds) needlessly++;
      else rightly++;
    });
    expect(accepted).toBeGreaterThan(25);
    expect(rightly).toBeGreaterThan(60);
    expect(needlessly).toBeLessThan(nets.length / 10);
  });
});

/** A net without weights takes its input alone. */
function call(f: (...args: unknown[]) => unknown, weights: unknown, x: unknown): never {
  return (weights === undefined ? f(x) : f(weights, x)) as never;
}

describe("gradients of potentials, and traces", () => {
  const library = `net even(v) = v |> dense(5) |> tanh |> dense(1) |> sum
net placed(v) = v |> flatten |> dense(5) |> tanh |> dense(1) |> sum
net pairs(v) = sum(tanh(v @ transpose(v)))`;
  const text = (kind: string, body: string): string => `${library}
model M {
  data x : real[${N}, ${N}]
  net g(x)${kind} = ${body}
  net h(x) = x |> dense(1) |> sum
  train { maximize sum(g(x)) + h(x) }
}`;
  const cases: readonly (readonly [string, "invariant" | "equivariant", boolean])[] = [
    ["grad[v = x](even(v))", "equivariant", true],
    ["grad[v = x](pairs(v))", "equivariant", true],
    ["x - grad[v = tanh(x)](even(v + x) * pairs(v))", "equivariant", true],
    ["norm(grad[v = x](even(v)))", "invariant", true],
    ["grad[v = x](placed(v))", "equivariant", false],
    ["grad[v = x](even(v) + sum(cumsum(v, axis = 1)^2))", "equivariant", false],
    ["grad[v = ones(4, 4)](even(v) + placed(v * mean(x)))", "equivariant", false],
    ["grad[v = x](even(v))", "invariant", false],
    ["sum((x @ transpose(x)) * eye(4))", "invariant", true],
    ["eye(4) @ x", "equivariant", true],
    ["(eye(4) + x @ transpose(x)) @ x", "equivariant", true],
    ["sum(x * eye(4))", "invariant", false],
    ["x + eye(4)", "equivariant", false],
    ["sum((x @ transpose(x)) * (1 - eye(4)))", "invariant", true],
    ["softmax(x @ transpose(x) - 1000 * eye(4)) @ x", "equivariant", true],
    ["(x @ transpose(x) * exp(-eye(4) / 2)) @ x", "equivariant", true],
    ["sum(x * (2 - eye(4)))", "invariant", false],
    ["sum((x @ transpose(x)) * (eye(4) + x))", "invariant", false],
  ];
  it.each(cases)("%s is %s: %s", (body, kind, expected) => {
    const errors = compile({ path: "t.gm", text: text(` ${kind}`, body) }).diagnostics.filter((d) => d.severity === "error");
    expect(errors.map((d) => d.code)).toEqual(expected ? [] : ["GM3752"]);
    const loaded = loadModel(text("", body));
    const state = Object.fromEntries(
      leavesOf(loaded.model.weights).map(({ path, spec }, i) => [
        path,
        spread(
          spec.shape.reduce((a, b) => a * b, 1),
          2 + i,
        ),
      ]),
    );
    const rows = Array.from({ length: N }, (_, i) => spread(N, 2 + i));
    const run = (x: readonly (readonly number[])[]): readonly number[] =>
      runModel(loaded, ({ f, w, x: { x: points } }) => ({ g: call(f("g"), (w as Readonly<Record<string, unknown>>)["g"], points) }), {
        data: { x: { shape: [1, N, N], data: x.flat() } },
        state,
      })["g"] ?? [];
    const [before, after] = [run(rows), run(inOrder(rows))];
    const moved = inOrder(Array.from({ length: N }, (_, n) => before.slice(n * N, (n + 1) * N))).flat();
    const wanted = kind === "invariant" ? before : moved;
    const differs = after.some((v, i) => Math.abs(v - (wanted[i] ?? NaN)) > 1e-9 * (1 + Math.abs(v)));
    expect(after.length).toBe(before.length);
    expect(differs).toBe(!expected);
  });
});

describe("sets of several parameters", () => {
  const accepts = (head: string, body: string): readonly string[] => {
    const { diagnostics } = compile({
      path: "t.gm",
      text: `model M {
  data x : real[4, 3], m : binary[4], c : real[5]
  net f(x, m, c) ${head} = ${body}
  train { maximize sum(f(x, m, c)) + sum(x |> mean(axis = 1) |> tanh) }
}`,
    });
    return diagnostics.filter((d) => d.severity === "error").map((d) => d.code);
  };
  it("points and a mask in one order", () => {
    expect(accepts("invariant(x, m)", "m @ (x |> dense(4)) |> dense(1) |> sum")).not.toContain("GM3752");
    expect(accepts("invariant(x)", "m @ (x |> dense(4)) |> dense(1) |> sum")).toContain("GM3752");
    expect(accepts("equivariant(x)", "(x |> dense(4)) + (c |> dense(4))")).not.toContain("GM3752");
    expect(accepts("invariant(x, c)", "sum(x) + sum(c) + sum(m)")).toContain("GM3753");
    expect(accepts("invariant", "sum(x) + sum(c) + sum(m)")).toContain("GM3753");
    expect(accepts("invariant(y)", "sum(x) + sum(c) + sum(m)")).toContain("GM3753");
  });
});
