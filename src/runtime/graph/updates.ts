/**
 * The update rules, as graphs: what an optimiser step means. `updateGraph` takes an update's description and the weights' shapes and gives a
 * graph over its states (weights, slots, counter, fault, averages) and inputs (gradients, learning rate). The reference engine runs it, and
 * so does any engine without a kernel of its own for the rule; a fused kernel must agree with it.
 *
 * Order of a step, for every target: gradient times `sign`; clip by value; clip by global norm (scale = limit / max(norm, limit));
 * weight decay added (L2; adamw instead shrinks the weight itself); the rule; `clip`, then `maxNorm` on the new weight; the average, whose decay
 * `averageDecay` warms up.
 * Where a gradient is not finite, or the fault was set before, every state keeps its value and the fault is 1.
 *
 * Constants by rule, defaults in brackets:
 *   sgd       -
 *   momentum  momentum [0.9], nesterov [0]: m = μ m + g; w -= lr m, or lr (g + μ m) (Polyak 1964; Sutskever et al. 2013, as PyTorch's SGD)
 *   adam      beta1 [0.9], beta2 [0.999], epsilon [1e-8]: Kingma & Ba 2015, algorithm 1
 *   adamw     as adam, with w -= lr λ w beside it: Loshchilov & Hutter 2019, algorithm 2, as PyTorch's AdamW
 *   rmsprop   decay [0.99], epsilon [1e-8], momentum [0]: v = ρ v + (1 - ρ) g²; step g / (√v + ε) (Tieleman & Hinton 2012, lecture 6.5)
 *   adamax    beta1 [0.9], beta2 [0.999], epsilon [1e-8]: Kingma & Ba 2015, algorithm 2; u = max(β2 u, |g| + ε) keeps 0 / 0 out
 */
import type { UpdateRule, UpdateSpec, UpdateTarget } from "./program.js";
import { GmcError } from "./errors.js";
import { abs, add, and, cast, div, equal, expm1, less, maximum, minimum, mul, neg, not, select, sqrt, sub } from "./ops/elementwise.js";
import { sum } from "./ops/reduce.js";
import { keepDims } from "./ops/structure.js";
import { input, stage, state, writeState } from "./stage.js";
import type { Tensor, TensorLike } from "./trace.js";
import type { Graph, Shape } from "./types.js";

/** Constants of each rule with their defaults. */
export const updateDefaults: { readonly [R in UpdateRule]: Readonly<Record<string, number>> } = {
  sgd: {},
  momentum: { momentum: 0.9, nesterov: 0 },
  adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
  adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
  rmsprop: { decay: 0.99, epsilon: 1e-8, momentum: 0 },
  adamax: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
};

/** Names of the slots of a rule, each of the weight's shape and zero at the start. */
export function slotNames(rule: UpdateRule, constants: Readonly<Record<string, number>> = {}): readonly string[] {
  switch (rule) {
    case "sgd":
      return [];
    case "momentum":
      return ["m"];
    case "adam":
    case "adamw":
      return ["m", "v"];
    case "rmsprop":
      return constants["momentum"] ? ["v", "m"] : ["v"];
    case "adamax":
      return ["m", "u"];
  }
}

interface Step {
  readonly w: Tensor;
  readonly g: Tensor;
  readonly slots: readonly Tensor[];
  readonly lr: Tensor;
  /** number of this update, from 1, as f32 */
  readonly t: Tensor;
  readonly c: (name: string) => number;
}

interface Stepped {
  readonly w: Tensor;
  readonly slots: readonly Tensor[];
}

/** 1 - β^t, with its digits kept where β is near 1. */
const correction = (beta: number, t: Tensor): TensorLike => (beta === 0 ? 1 : neg(expm1(mul(t, Math.log(beta)))));

const average = (beta: number, old: Tensor, now: Tensor): Tensor => add(mul(old, beta), mul(now, 1 - beta));

const scaled = (lr: Tensor, step: Tensor): Tensor => mul(step, lr);

function adam({ w, g, slots, lr, t, c }: Step): Stepped {
  const m = average(c("beta1"), slots[0]!, g);
  const v = average(c("beta2"), slots[1]!, mul(g, g));
  const step = div(div(m, correction(c("beta1"), t)), add(sqrt(div(v, correction(c("beta2"), t))), c("epsilon")));
  return { w: sub(w, scaled(lr, step)), slots: [m, v] };
}

const rules: { readonly [R in UpdateRule]: (step: Step) => Stepped } = {
  sgd: ({ w, g, lr }) => ({ w: sub(w, scaled(lr, g)), slots: [] }),
  momentum: ({ w, g, slots, lr, c }) => {
    const m = add(mul(slots[0]!, c("momentum")), g);
    return { w: sub(w, scaled(lr, c("nesterov") === 0 ? m : add(g, mul(m, c("momentum"))))), slots: [m] };
  },
  adam,
  adamw: adam,
  rmsprop: ({ w, g, slots, lr, c }) => {
    const v = average(c("decay"), slots[0]!, mul(g, g));
    const step = div(g, add(sqrt(v), c("epsilon")));
    if (slots.length === 1) return { w: sub(w, scaled(lr, step)), slots: [v] };
    const m = add(mul(slots[1]!, c("momentum")), step);
    return { w: sub(w, scaled(lr, m)), slots: [v, m] };
  },
  adamax: ({ w, g, slots, lr, t, c }) => {
    const m = average(c("beta1"), slots[0]!, g);
    const u = maximum(mul(slots[1]!, c("beta2")), add(abs(g), c("epsilon")));
    return { w: sub(w, scaled(lr, div(div(m, correction(c("beta1"), t)), u))), slots: [m, u] };
  },
};

/**
 * The decay of an average at the update after `done` others: min(decay, (1 + done) / (10 + done)), so that early averages are of what was trained
 * and not of the start (the rule of TensorFlow's ExponentialMovingAverage with num_updates). The kernels of engines take the same.
 */
export function averageDecay(decay: number, done: number): number {
  return Math.min(decay, (1 + done) / (10 + done));
}

/**
 * `shapes` by weight name. Outputs: none; everything is a write. Where `unsound` is given, it names an i32 input that is not 0 where a gradient is
 * not finite, for engines that find out while they compute the gradients.
 */
export function updateGraph(spec: UpdateSpec, shapes: Readonly<Record<string, Shape>>, unsound?: string): Graph {
  const constants = { ...updateDefaults[spec.rule], ...spec.constants };
  const c = (name: string): number => {
    const value = constants[name];
    if (value === undefined) throw new GmcError("GM4908", `the update rule ${spec.rule} needs the constant ${name}`);
    return value;
  };
  const shapeOf = (target: UpdateTarget): Shape => {
    const shape = shapes[target.weight];
    if (shape === undefined) throw new GmcError("GM4908", `the shape of ${target.weight} is not known`);
    const slots = slotNames(spec.rule, constants).length;
    if (target.slots.length !== slots)
      throw new GmcError("GM4908", `${spec.rule} keeps ${slots} slots for ${target.weight}, ${target.slots.length} are named`);
    return shape;
  };
  return stage({}, () => {
    const lr = input(spec.learningRate, []);
    const counter = state(spec.counter, [], "i32");
    const fault = state(spec.fault, [], "i32");
    const raw = spec.targets.map((target) => input(target.gradient, shapeOf(target)));
    const finite = unsound === undefined ? raw.map(allFinite).reduce(and, equal(fault, fault)) : equal(input(unsound, [], "i32"), 0);
    const good = and(equal(fault, 0), finite);
    const keep = (name: string, before: Tensor, after: Tensor): void => {
      writeState(state(name, before.shape, before.dtype), select(good, after, before));
    };
    const gradients = clipped(spec, raw);
    const t = cast(add(counter, 1), "f32");
    spec.targets.forEach((target, i) => {
      const w = state(target.weight, shapeOf(target));
      const decoupled = spec.rule === "adamw" && spec.weightDecay !== 0;
      const g = spec.weightDecay === 0 || decoupled ? gradients[i]! : add(gradients[i]!, mul(w, spec.weightDecay));
      const slots = target.slots.map((name) => state(name, w.shape));
      const next = rules[spec.rule]({ w, g, slots, lr, t, c });
      const shrunk = decoupled ? sub(next.w, mul(mul(w, lr), spec.weightDecay)) : next.w;
      const after = constrained(target, shrunk);
      keep(target.weight, w, after);
      slots.forEach((slot, j) => keep(target.slots[j]!, slot, next.slots[j]!));
      if (target.ema !== null && spec.ema !== null) {
        const ema = state(target.ema, w.shape);
        const decay = minimum(div(t, add(t, 9)), spec.ema);
        keep(target.ema, ema, add(mul(ema, decay), mul(after, sub(1, decay))));
      }
    });
    keep(spec.counter, counter, add(counter, 1));
    writeState(fault, select(good, fault, select(equal(fault, 0), 1, fault)));
    return {};
  });
}

/** No NaN (which compares false) and no infinity. */
function allFinite(g: Tensor): Tensor {
  return equal(sum(not(less(abs(g), Infinity))), 0);
}

function clipped(spec: UpdateSpec, raw: readonly Tensor[]): readonly Tensor[] {
  let gradients = raw.map((g) => (spec.sign === 1 ? g : neg(g)));
  const bound = spec.clipValue;
  if (bound !== null) gradients = gradients.map((g) => minimum(maximum(g, -bound), bound));
  if (spec.clipNorm === null || gradients.length === 0) return gradients;
  const norm = sqrt(gradients.map((g) => sum(mul(g, g))).reduce(add));
  const scale = div(spec.clipNorm, maximum(norm, spec.clipNorm));
  return gradients.map((g) => mul(g, scale));
}

function constrained(target: UpdateTarget, w: Tensor): Tensor {
  let after = w;
  if (target.clip !== null) after = minimum(maximum(after, target.clip[0]), target.clip[1]);
  if (target.maxNorm !== null) {
    const { axis, limit } = target.maxNorm;
    const norm = keepDims(sqrt(sum(mul(after, after), axis)), after.shape, [axis < 0 ? axis + after.shape.length : axis]);
    after = mul(after, div(limit, maximum(norm, limit)));
  }
  return after;
}
