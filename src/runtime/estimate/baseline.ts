/**
 * Baselines of the score function: numbers near the value that is averaged, independent of what is drawn, which take variance away and no truth.
 * Those that learn keep what they know in the state of the update (`carried`), and read there what earlier steps left.
 */
import {
  add,
  concat,
  currentMode,
  div,
  expandDims,
  lift,
  max,
  mean,
  mul,
  sliceAxis,
  sqrt,
  square,
  squeeze,
  stopGradient,
  sub,
  sum,
  writeState,
  type Tensor,
} from "../graph/index.js";
import { InternalError } from "../graph/errors.js";
import { learn, scoreFunction } from "./surrogate.js";

/** Share of the old mean that a step keeps (Mnih & Gregor 2014, section 2.4, use 0.8). */
const KEPT = 0.9;

export type Carried = Readonly<Record<string, Tensor>>;

/** What is carried under `name`; undefined outside of training, where nothing is learned. */
export function memoryOf(carried: Carried, name: string): Tensor | undefined {
  if (currentMode() !== "train") return undefined;
  const found = carried[name];
  if (found === undefined) throw new InternalError(`the update carries no ${name}`);
  return found;
}

const entry = (memory: Tensor, i: number): Tensor => squeeze(sliceAxis(memory, 0, i, i + 1), [0]);

/** Averages of the value over earlier steps, [3]: of the mean, of the mean square, and the weight that both have. */
function averages(memory: Tensor): { readonly mean: Tensor; readonly variance: Tensor } {
  const weight = max(entry(memory, 2), 1e-20);
  const m = div(entry(memory, 0), weight);
  return { mean: m, variance: max(sub(div(entry(memory, 1), weight), square(m)), 0) };
}

function remember(memory: Tensor, f: Tensor): void {
  const value = stopGradient(f);
  const one = (x: Tensor): Tensor => expandDims(x, 0);
  const now = concat([one(mean(value)), one(mean(square(value))), one(lift(1))], 0);
  writeState(memory, add(mul(KEPT, memory), mul(1 - KEPT, now)));
}

/** `scoreFunction` whose baseline is the mean of `f` over earlier steps, 0 in the first. `f`, `logQ` [..., B]; carries [3] under `name`. */
export function scoreRunningMean(f: Tensor, logQ: Tensor, carried: Carried, name: string): Tensor {
  const memory = memoryOf(carried, name);
  if (!memory) return f;
  const { mean: baseline } = averages(memory);
  remember(memory, f);
  return scoreFunction(f, logQ, baseline);
}

/**
 * Neural variational inference and learning (Mnih & Gregor 2014, sections 2.3 and 2.4): the baseline is `learned`, whose `weights` descend the squared
 * distance to `f`, plus the mean of what is left over earlier steps. With `normalize` the centred value is divided by its standard deviation where that is above
 * 1: the gradient of the draw's parameters then has another scale, and no other direction in the mean. `learned` broadcasts to `f` [..., B].
 */
export function scoreLearned(
  f: Tensor,
  logQ: Tensor,
  learned: Tensor,
  carried: Carried,
  name: string,
  { weights, normalize = false }: { readonly weights: readonly Tensor[]; readonly normalize?: boolean },
): Tensor {
  const memory = memoryOf(carried, name);
  if (!memory) return f;
  const left = stopGradient(sub(f, stopGradient(learned)));
  const { mean: offset, variance } = averages(memory);
  remember(memory, left);
  learn(mean(mul(0.5, square(sub(stopGradient(sub(f, offset)), learned)))), weights);
  const baseline = add(stopGradient(learned), offset);
  if (!normalize) return scoreFunction(f, logQ, baseline);
  const scale = max(sqrt(max(variance, 1e-12)), 1);
  return add(f, mul(stopGradient(div(sub(f, baseline), scale)), sub(logQ, stopGradient(logQ))));
}

/**
 * Leave-one-out: the mean over k samples, each with the mean of the others as its baseline (Salimans & Knowles 2014; Kool, van Hoof & Welling 2019).
 * `f` and `logQ` [k, ..., B] -> [..., B].
 */
export function leaveOneOut(f: Tensor, logQ: Tensor): Tensor {
  const [k = 2] = f.shape;
  const others = div(sub(expandDims(sum(f, [0]), 0), f), k - 1);
  return mean(scoreFunction(f, logQ, others), [0]);
}
