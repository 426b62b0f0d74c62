/**
 * The conditional of a variable given all others, by the law of its units, and what follows from it: draws, means, log-normalisers,
 * entropies. All is read off the energy's derivatives at zero, so a variable's own value is never needed (but for the total of counts).
 */
import { assertNever, GmcError } from "../graph/errors.js";
import {
  add,
  cast,
  cholesky,
  cumsum,
  div,
  exp,
  expandDims,
  less,
  lift,
  log,
  logSumExp,
  max,
  min,
  mul,
  neg,
  pad,
  randomNormal,
  randomUniform,
  reduceMax,
  reshape,
  sigmoid,
  sizeOf,
  sliceAxis,
  softmax,
  softplus,
  sqrt,
  square,
  squeeze,
  stopGradient,
  sub,
  sum,
  transpose,
  triangularSolve,
  type DrawShape,
  type Key,
  type Shape,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { bernoulli } from "../prob/bernoulli.js";
import { categorical } from "../prob/categorical.js";
import { logDeterminant, solveLower, vectorMatrix } from "../prob/linear.js";
import { multinomial } from "../prob/multinomial.js";
import { HALF_LOG_2PI, xlog1py, xlogy } from "../prob/numeric.js";
import { blockSize, fromBlocks, gridOf, toBlocks, unitAxis, type Blocks } from "./blocks.js";
import type { EnergyModel, Units, Values } from "./energy-model.js";
import { curvature, diagonalCurvature, fieldsAt } from "./fields.js";
import { drawLead, flat, independent, leadOf, plainShape, seenBy, unitsOf, without } from "./values.js";
import { watchFactor, watchPrecision } from "./watch.js";

/** Parameters are [...lead, ...event]. */
export type Conditional =
  | { readonly kind: "bernoulli"; readonly logits: Tensor }
  /** Logits against "none of the block", whose logit is 0. */
  | { readonly kind: "oneOfBlock"; readonly logits: Tensor; readonly blocks: Blocks }
  /** logits [...lead, ...event, classes] */
  | { readonly kind: "categorical"; readonly logits: Tensor }
  | { readonly kind: "normal"; readonly loc: Tensor; readonly scale: Tensor; readonly precision: Tensor }
  /** precisionTril [D, D] or [...lead, D, D]: the lower Cholesky factor of the precision over the flat event. */
  | { readonly kind: "jointNormal"; readonly loc: Tensor; readonly precisionTril: Tensor; readonly shape: Shape }
  /** total [...lead] */
  | { readonly kind: "multinomial"; readonly logits: Tensor; readonly total: Tensor; readonly shape: Shape };

/** N of variables that are counts, where it is not the sum of a value at hand. */
export type Totals = Readonly<Record<string, TensorLike>>;

export interface ConditionalOptions {
  /** Leading axes of the result; by default those of the values. */
  readonly lead?: Shape;
  readonly totals?: Totals;
}

/** The conditional of `name` given the other variables and the conditions in `x`. Its own value in `x` matters for the total of counts only. */
export function conditional<W>(model: EnergyModel<W>, w: W, x: Values, name: string, options: ConditionalOptions = {}): Conditional {
  return conditionals(model, w, seenBy(model, x), [name], options.lead ?? leadOf(model, seenBy(model, x)), options.totals)[name]!;
}

/** The conditionals of variables that are independent given the rest; `x` as the energy sees it. */
export function conditionals<W>(
  model: EnergyModel<W>,
  w: W,
  x: Values,
  names: readonly string[],
  lead: Shape,
  totals: Totals = {},
): Readonly<Record<string, Conditional>> {
  const rest = without(x, names);
  const { fields } = fieldsAt(model, w, rest, names, lead);
  return Object.fromEntries(names.map((name) => [name, conditionalOf(model, w, x, rest, name, fields[name]!, lead, totals)]));
}

function conditionalOf<W>(
  model: EnergyModel<W>,
  w: W,
  x: Values,
  rest: Values,
  name: string,
  field: Tensor,
  lead: Shape,
  totals: Totals,
): Conditional {
  const units = unitsOf(model, name);
  switch (units.kind) {
    case "bernoulli":
    case "categorical":
      return { kind: units.kind, logits: field };
    case "oneOfBlock":
      return { kind: "oneOfBlock", logits: field, blocks: units };
    case "normal": {
      const precision = diagonalCurvature(model, w, rest, name, lead);
      watchPrecision(model, name, precision);
      return { kind: "normal", loc: div(field, precision), scale: div(1, sqrt(precision)), precision };
    }
    case "jointNormal": {
      const precisionTril = cholesky(curvature(model, w, rest, name, lead));
      watchFactor(model, name, precisionTril);
      const loc = solveUpper(precisionTril, solveLower(precisionTril, flat(field, units.shape)));
      return { kind: "jointNormal", loc: reshape(loc, field.shape), precisionTril, shape: units.shape };
    }
    case "multinomial":
      return { kind: "multinomial", logits: field, total: totalOf(model, x, name, units, totals), shape: units.shape };
    case "binary":
    case "category":
    case "real":
      throw new GmcError("GM4009", `\`${name}\` of \`${model.name}\` (${model.place}) has no conditional in closed form`, [
        units.kind === "real" ? "langevin and hmc move it" : "single_site draws its units one after another",
      ]);
    default:
      return assertNever(units);
  }
}

/** N: as given, else the sum of the variable's value. */
function totalOf(model: EnergyModel, x: Values, name: string, units: Units, totals: Totals): Tensor {
  const given = Object.hasOwn(totals, name) ? totals[name] : undefined;
  if (given !== undefined) return lift(given);
  const value = x[name];
  if (value === undefined)
    throw new GmcError("GM4002", `the counts \`${name}\` of \`${model.name}\` (${model.place}) have no total`, [
      `pass { totals: { ${name}: … } }, or a value of \`${name}\``,
    ]);
  return sum(flat(value, units.shape), -1);
}

/** One exact draw of `name` from its conditional, without gradient. `lead` are its leading axes; by default those of the values, the last one the rows. */
export function drawUnits<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  name: string,
  options: { readonly lead?: DrawShape; readonly totals?: Totals } = {},
): Tensor {
  const seen = seenBy(model, x);
  const lead = drawLead(model, seen, options.lead);
  return drawFrom(key, conditionals(model, w, seen, [name], plainShape(lead), options.totals)[name]!, lead);
}

/** E[name | rest] as the energy sees it: probabilities, one-hot means, locs, expected counts. Differentiable. */
export function meanUnits<W>(model: EnergyModel<W>, w: W, x: Values, name: string, options: ConditionalOptions = {}): Tensor {
  return meanOf(conditional(model, w, x, name, options));
}

/** A draw [...lead, ...event] in the domain's values, without gradient. */
export function drawFrom(key: Key, c: Conditional, lead: DrawShape): Tensor {
  const event = (t: Tensor): Shape => t.shape.slice(lead.length);
  switch (c.kind) {
    case "bernoulli":
      return bernoulli.sample(key, c, [...lead, ...event(c.logits)]);
    case "categorical":
      return categorical.sample(key, c, [...lead, ...event(c.logits).slice(0, -1)]);
    case "oneOfBlock":
      return drawOneOfBlock(key, c.logits, c.blocks, lead);
    case "normal":
      return stopGradient(add(c.loc, mul(c.scale, randomNormal(key, [...lead, ...event(c.loc)]))));
    case "jointNormal": {
      const noise = randomNormal(key, [...lead, sizeOf(c.shape)]);
      return stopGradient(add(c.loc, reshape(solveUpper(c.precisionTril, noise), c.loc.shape)));
    }
    case "multinomial":
      return reshape(
        multinomial.sample(key, { total: c.total, logits: flat(c.logits, c.shape) }, [...lead, sizeOf(c.shape)]),
        c.logits.shape,
      );
    default:
      return assertNever(c);
  }
}

/** By inversion, one uniform a block: unit k is on where the uniform falls between the sums of the probabilities before k and up to k. */
function drawOneOfBlock(key: Key, logits: Tensor, blocks: Blocks, lead: DrawShape): Tensor {
  const axis = unitAxis(blocks);
  const probs = blockProbs(logits, blocks);
  const uniform = expandDims(randomUniform(key, [...lead, ...gridOf(blocks)]), axis);
  // 0 … 0 1 … 1 along the block, whatever the rounding of the sums: its only step is the unit that is on.
  const reached = cast(less(uniform, cumsum(probs, axis)), "f32");
  const size = blockSize(blocks);
  const none = reached.shape.map(() => 0);
  const one = none.with(axis, 1);
  const before = size === 1 ? 0 : pad(sliceAxis(reached, axis, 0, size - 1), one, none);
  return fromBlocks(sub(reached, before), blocks);
}

/** P(unit on), [...lead, n, ...grid]: softmax with one more logit, 0. */
function blockProbs(logits: Tensor, blocks: Blocks): Tensor {
  const axis = unitAxis(blocks);
  const l = toBlocks(logits, blocks);
  const top = expandDims(max(reduceMax(stopGradient(l), axis), 0), axis);
  const e = exp(sub(l, top));
  return div(e, add(exp(neg(top)), expandDims(sum(e, axis), axis)));
}

/** log(1 + Σ exp(logits)) of each block. */
function blockLogNormaliser(logits: Tensor, blocks: Blocks): Tensor {
  const axis = unitAxis(blocks);
  const l = toBlocks(logits, blocks);
  const top = max(reduceMax(stopGradient(l), axis), 0);
  return add(top, log(add(exp(neg(top)), sum(exp(sub(l, expandDims(top, axis))), axis))));
}

/** The mean, as the energy sees the variable. */
export function meanOf(c: Conditional): Tensor {
  switch (c.kind) {
    case "bernoulli":
      return sigmoid(c.logits);
    case "categorical":
      return softmax(c.logits, -1);
    case "oneOfBlock":
      return fromBlocks(blockProbs(c.logits, c.blocks), c.blocks);
    case "normal":
    case "jointNormal":
      return c.loc;
    case "multinomial": {
      const p = softmax(flat(c.logits, c.shape), -1);
      return reshape(mul(expandDims(c.total, -1), p), c.logits.shape);
    }
    default:
      return assertNever(c);
  }
}

/** log of the sum or integral of exp(E(0) - E(x)) over the variable: [...lead, ...], what is right of the leads to be summed. */
export function logNormaliser(c: Conditional): Tensor {
  switch (c.kind) {
    case "bernoulli":
      return softplus(c.logits);
    case "categorical":
      return logSumExp(c.logits, -1);
    case "oneOfBlock":
      return blockLogNormaliser(c.logits, c.blocks);
    case "normal":
      return add(mul(0.5, mul(c.precision, square(c.loc))), widthOf(c.precision));
    case "jointNormal":
      return add(mul(0.5, sum(square(vectorMatrix(flat(c.loc, c.shape), c.precisionTril)), -1)), jointWidth(c));
    case "multinomial":
      return mul(c.total, logSumExp(flat(c.logits, c.shape), -1));
    default:
      return assertNever(c);
  }
}

/**
 * What E at the mean lacks to the free energy: F = E(mean) - Σ of this, [...lead, ...]. Of discrete units the entropy (of counts: relative
 * to the base measure), of normal ones log sqrt(2 pi / precision).
 */
export function meanGap(c: Conditional): Tensor {
  switch (c.kind) {
    case "bernoulli":
      return bernoulli.entropy(c);
    case "categorical":
      return sub(logSumExp(c.logits, -1), sum(mul(softmax(c.logits, -1), c.logits), -1));
    case "oneOfBlock": {
      const expected = sum(mul(blockProbs(c.logits, c.blocks), toBlocks(c.logits, c.blocks)), unitAxis(c.blocks));
      return sub(blockLogNormaliser(c.logits, c.blocks), expected);
    }
    case "normal":
      return widthOf(c.precision);
    case "jointNormal":
      return jointWidth(c);
    case "multinomial": {
      const logits = flat(c.logits, c.shape);
      return mul(c.total, sub(logSumExp(logits, -1), sum(mul(softmax(logits, -1), logits), -1)));
    }
    default:
      return assertNever(c);
  }
}

/** As `meanGap`, from a mean alone, [...lead, ...]; of normal units undefined, their width does not show in it. */
export function entropyOfMean(units: Units, mean: Tensor): Tensor | undefined {
  const plogp = (p: Tensor): Tensor => xlogy(p, p);
  const lone = independent(units);
  switch (lone.kind) {
    case "bernoulli": {
      // an engine's sigmoid may pass 1 by its last bit
      const p = min(mean, 1);
      return neg(add(plogp(p), xlog1py(sub(1, p), neg(p))));
    }
    case "categorical":
      return neg(sum(plogp(mean), -1));
    case "oneOfBlock": {
      const on = toBlocks(mean, lone);
      const axis = unitAxis(lone);
      const off = max(sub(1, sum(on, axis)), 0);
      return neg(add(sum(plogp(on), axis), plogp(off)));
    }
    case "multinomial": {
      const counts = flat(mean, lone.shape);
      return neg(sum(xlogy(counts, div(counts, expandDims(sum(counts, -1), -1))), -1));
    }
    case "normal":
      return undefined;
    default:
      return assertNever(lone);
  }
}

/** log sqrt(2 pi / precision) */
function widthOf(precision: Tensor): Tensor {
  return sub(HALF_LOG_2PI, mul(0.5, log(precision)));
}

/** [] or [...lead] */
function jointWidth({ precisionTril }: { readonly precisionTril: Tensor }): Tensor {
  return sub(HALF_LOG_2PI * (precisionTril.shape.at(-1) ?? 1), logDeterminant(precisionTril));
}

/** L^-T v for vectors v [..., D] and a factor [D, D] or [..., D, D]. */
function solveUpper(factor: Tensor, v: Tensor): Tensor {
  const size = v.shape.at(-1) ?? 1;
  if (factor.shape.length === 2) {
    const columns = transpose(reshape(v, [sizeOf(v.shape) / size, size]));
    return reshape(transpose(triangularSolve(factor, columns, { transpose: true })), v.shape);
  }
  return squeeze(triangularSolve(factor, expandDims(v, -1), { transpose: true }), -1);
}
