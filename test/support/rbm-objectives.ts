/** Random objectives of a small RBM whose log Z chains estimate, each with its value by sums over all states. */
import fc from "fast-check";
import { bilinear, bits, dotN, logSum, type Assignment, type Numbers } from "../numeric/energy-cases.js";

export const rbmText = (objective: string): string => `model M {
  data v : binary[3], s : real
  latent h : binary[2]
  param W : real[3, 2], R : real[3, 2], c : real
  density r(v, h) { energy -(v @ W @ h) }
  density rs(v, h | s) { energy -(v @ W @ h) - 0.5 * s * v[1] }
  density q(h | v) { h ~ Bernoulli(logits = v @ R) }
  train { maximize ${objective}   optimizer = sgd(lr = 0.1)   batch = 3 }
}`;

/** The value for a row, at weights; `held` are those that `stop(…)` sees. */
export type Value = (at: { readonly w: Assignment; readonly held: Assignment; readonly row: Assignment; readonly h?: Numbers }) => number;

export interface Objective {
  readonly text: string;
  readonly value: Value;
}

const states = (n: number): readonly Numbers[] => bits(n).map((a) => a.value);
const [V, H] = [states(3), states(2)];
const [zeros, ones]: readonly [Numbers, Numbers] = [
  [0, 0],
  [1, 1],
];

type At = Parameters<Value>[0];

/** -E of `r`, or with `given` of `rs`. */
const minusE = ({ w, row }: At, v: Numbers, h: Numbers, given: boolean): number =>
  bilinear(v, w["W"]!, h) + (given ? 0.5 * row["s"]![0]! * v[0]! : 0);
const logZ = (at: At, given: boolean): number => logSum(V.flatMap((v) => H.map((h) => minusE(at, v, h, given))));
const joint = (at: At, h: Numbers, given: boolean): number => minusE(at, at.row["v"]!, h, given) - logZ(at, given);
const marginal = (at: At, given: boolean): number => logSum(H.map((h) => joint(at, h, given)));
const ofHidden = (at: At, h: Numbers): number => logSum(V.map((v) => minusE(at, v, h, false))) - logZ(at, false);

function logQ({ w, row }: At, h: Numbers): number {
  const logits = [0, 1].map((j) =>
    dotN(
      row["v"]!,
      [0, 1, 2].map((i) => w["R"]![2 * i + j]!),
    ),
  );
  return h.reduce((sum, on, j) => sum + on * logits[j]! - Math.log1p(Math.exp(logits[j]!)), 0);
}

const value = (text: string, of: Value): Objective => ({ text, value: of });

const numbers: readonly Objective[] = [
  value("s", ({ row }) => row["s"]![0]!),
  value("c", ({ w }) => w["c"]![0]!),
  value("stop(c)", ({ held }) => held["c"]![0]!),
  value("0.5", () => 0.5),
  value("(v[1] + 1)", ({ row }) => row["v"]![0]! + 1),
];

const logs = (given: boolean): readonly Objective[] => {
  const [name, under] = given ? ["rs", " | s"] : ["r", ""];
  return [
    value(`log ${name}(v${under})`, (at) => marginal(at, given)),
    value(`log ${name}(v, h = zeros(2)${under})`, (at) => joint(at, zeros, given)),
    value(`log ${name}(v, h = ones(2)${under})`, (at) => joint(at, ones, given)),
  ];
};

/** What reads the draw of `E[h ~ q(h | v)](…)` besides. */
const drawnLogs = (given: boolean): readonly Objective[] => [
  value(given ? "log rs(v, h | s)" : "log r(v, h)", (at) => joint(at, at.h!, given)),
  ...(given ? [] : [value("log r(h)", (at) => ofHidden(at, at.h!))]),
  value("log q(h | v)", (at) => logQ(at, at.h!)),
];

const functions: readonly ((a: Objective, b: Objective) => Objective)[] = [
  (a, b) => value(`(${a.text} + ${b.text})`, (at) => a.value(at) + b.value(at)),
  (a, b) => value(`(${a.text} - ${b.text})`, (at) => a.value(at) - b.value(at)),
  (a, b) => value(`exp(0.3 * (${a.text} - ${b.text}))`, (at) => Math.exp(0.3 * (a.value(at) - b.value(at)))),
  (a, b) => value(`tanh(${a.text} - ${b.text})`, (at) => Math.tanh(a.value(at) - b.value(at))),
  (a, b) => value(`max(stack(${a.text}, ${b.text}))`, (at) => Math.max(a.value(at), b.value(at))),
  (a, b) => value(`mean(stack(${a.text}, ${b.text}))`, (at) => (a.value(at) + b.value(at)) / 2),
  (a, b) => value(`logsumexp(stack(${a.text}, ${b.text}))`, (at) => logSum([a.value(at), b.value(at)])),
  (a, b) => value(`where(greater(s, 0), ${a.text}, ${b.text})`, (at) => (at.row["s"]![0]! > 0 ? a : b).value(at)),
  (a, b) =>
    value(`sum(softmax(stack(${a.text}, ${b.text})) * stack(1, c))`, (at) => {
      const share = 1 / (1 + Math.exp(b.value(at) - a.value(at)));
      return share + (1 - share) * at.w["c"]![0]!;
    }),
  (a) => value(`stop(${a.text})`, (at) => a.value({ ...at, w: at.held })),
];

function tree(depth: number, given: boolean, drawn: boolean): fc.Arbitrary<Objective> {
  const state = value("h[1]", ({ h }) => h![0]!);
  const number = fc.constantFrom(...numbers, ...(drawn ? [state] : []));
  const log = fc.constantFrom(...logs(given), ...(drawn ? drawnLogs(given) : []));
  const leaf = fc.oneof({ weight: 4, arbitrary: log }, { weight: 1, arbitrary: number });
  if (depth === 0) return leaf;
  const inner = tree(depth - 1, given, drawn);
  const both = fc
    .tuple(fc.constantFrom(...functions), inner, fc.oneof({ weight: 3, arbitrary: inner }, { weight: 2, arbitrary: leaf }))
    .map(([made, a, b]) => made(a, b));
  const times = fc.tuple(number, inner).map(([k, a]) => value(`(${k.text} * ${a.text})`, (at) => k.value(at) * a.value(at)));
  return fc.oneof({ weight: 11, arbitrary: both }, { weight: 1, arbitrary: times });
}

const alone = (given: boolean): fc.Arbitrary<Objective> =>
  tree(2, given, false).map((body) => value(`${body.text} by cd(k = 15)`, body.value));

const averaged = (given: boolean): fc.Arbitrary<Objective> =>
  fc
    .tuple(tree(2, given, true), fc.constantFrom("h: score and ", "h: enumerate and ", ""))
    .map(([body, by]) =>
      value(`E[h ~ q(h | v)](${body.text}) by ${by}cd(k = 15)`, (at) =>
        H.reduce((sum, h) => sum + Math.exp(logQ(at, h)) * body.value({ ...at, h }), 0),
      ),
    );

export const rbmObjective: fc.Arbitrary<Objective> = fc.boolean().chain((given) => fc.oneof(alone(given), averaged(given)));
