/** Random objectives of a small RBM whose log Z chains estimate, each with its value by sums over all states. */
import fc from "fast-check";
import { bilinear, bits, dotN, logSum, type Assignment, type Numbers } from "../numeric/energy-cases.js";

export const rbmText = (objective: string): string => `model M {
  data v : binary[3], s : real
  latent h : binary[2], g : binary[2]
  param V : real[2, 2], W : real[3, 2], R : real[3, 2], c : real
  density r(v, h) { energy -(v @ W @ h) }
  density rs(v, h | s) { energy -(v @ W @ h) - 0.5 * s * v[1] }
  density p(v, h, g) { energy -(v @ W @ h) - h @ V @ g }
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

/** `r`; `rs`, under a condition; `p`, whose hidden layers are coupled. */
type Kind = "plain" | "given" | "deep";

/** -E, of `p` the log of its sum over g. */
const minusE = ({ w, row }: At, v: Numbers, h: Numbers, kind: Kind): number =>
  bilinear(v, w["W"]!, h) +
  (kind === "given" ? 0.5 * row["s"]![0]! * v[0]! : 0) +
  (kind === "deep" ? logSum(H.map((g) => bilinear(h, w["V"]!, g))) : 0);
const logZ = (at: At, kind: Kind): number => logSum(V.flatMap((v) => H.map((h) => minusE(at, v, h, kind))));
const joint = (at: At, h: Numbers, kind: Kind): number => minusE(at, at.row["v"]!, h, kind) - logZ(at, kind);
const marginal = (at: At, kind: Kind): number => logSum(H.map((h) => joint(at, h, kind)));
const ofHidden = (at: At, h: Numbers, kind: Kind): number => logSum(V.map((v) => minusE(at, v, h, kind))) - logZ(at, kind);
/** log p(v | h). */
const conditional = (at: At, h: Numbers, kind: Kind): number => joint(at, h, kind) - ofHidden(at, h, kind);

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

const named = { plain: ["r", ""], given: ["rs", " | s"], deep: ["p", ""] } as const;

const logs = (kind: Kind): readonly Objective[] => {
  const [name, under] = named[kind];
  return [
    value(`log ${name}(v${under})`, (at) => marginal(at, kind)),
    value(`log ${name}(v, h = zeros(2)${under})`, (at) => joint(at, zeros, kind)),
    value(`log ${name}(v, h = ones(2)${under})`, (at) => joint(at, ones, kind)),
    ...(kind === "given" ? [] : [value(`log ${name}(v | h = ones(2))`, (at) => conditional(at, ones, kind))]),
  ];
};

/** What reads the draw of `E[h ~ q(h | v)](…)` besides. */
const drawnLogs = (kind: Kind): readonly Objective[] => [
  value(`log ${named[kind][0]}(v, h${named[kind][1]})`, (at) => joint(at, at.h!, kind)),
  ...(kind === "given" ? [] : [value(`log ${named[kind][0]}(h)`, (at) => ofHidden(at, at.h!, kind))]),
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

function tree(depth: number, kind: Kind, drawn: boolean): fc.Arbitrary<Objective> {
  const state = value("h[1]", ({ h }) => h![0]!);
  const number = fc.constantFrom(...numbers, ...(drawn ? [state] : []));
  const log = fc.constantFrom(...logs(kind), ...(drawn ? drawnLogs(kind) : []));
  const leaf = fc.oneof({ weight: 4, arbitrary: log }, { weight: 1, arbitrary: number });
  if (depth === 0) return leaf;
  const inner = tree(depth - 1, kind, drawn);
  const both = fc
    .tuple(fc.constantFrom(...functions), inner, fc.oneof({ weight: 3, arbitrary: inner }, { weight: 2, arbitrary: leaf }))
    .map(([made, a, b]) => made(a, b));
  const times = fc.tuple(number, inner).map(([k, a]) => value(`(${k.text} * ${a.text})`, (at) => k.value(at) * a.value(at)));
  return fc.oneof({ weight: 11, arbitrary: both }, { weight: 1, arbitrary: times });
}

/** What treats log Z, and the hidden layers that do not sum out. */
const estimators = { plain: "cd(k = 15)", given: "cd(k = 15)", deep: "gibbs(steps = 12) and pcd(k = 4, chains = 40)" } as const;

const alone = (kind: Kind): fc.Arbitrary<Objective> =>
  tree(2, kind, false).map((body) => value(`${body.text} by ${estimators[kind]}`, body.value));

const averaged = (kind: Kind): fc.Arbitrary<Objective> =>
  fc
    .tuple(tree(2, kind, true), fc.constantFrom("h: score and ", "h: enumerate and ", ""))
    .map(([body, by]) =>
      value(`E[h ~ q(h | v)](${body.text}) by ${by}${estimators[kind]}`, (at) =>
        H.reduce((sum, h) => sum + Math.exp(logQ(at, h)) * body.value({ ...at, h }), 0),
      ),
    );

export const rbmObjective: fc.Arbitrary<Objective> = fc
  .constantFrom<Kind>("plain", "given", "deep")
  .chain((kind) => fc.oneof(alone(kind), averaged(kind)));
