/** All states of finite variables, by number: for exact sums over what no closed form sums. */
import { GmcError } from "../graph/errors.js";
import { add, cast, constant, div, expandDims, greater, max, mul, oneHot, reshape, sub, type Shape, type Tensor } from "../graph/index.js";
import { iotaAlong, sizeOf } from "../graph/index.js";
import { blockSize, fromBlocks, gridOf, unitsForward } from "./blocks.js";
import type { EnergyModel, Units, Values } from "./energy-model.js";
import { independent, unitsOf } from "./values.js";

/** A state number is an i32; more states than this are out of reach of any enumeration. */
const MOST_LOG2 = 30;

interface Digits {
  readonly base: number;
  /** One digit an entry, the last the fastest. */
  readonly shape: Shape;
}

function digitsOf(model: EnergyModel, name: string, units: Units): Digits {
  const lone = independent(units);
  switch (lone.kind) {
    case "bernoulli":
      return { base: 2, shape: lone.shape };
    case "categorical":
      return { base: lone.classes, shape: lone.shape };
    case "oneOfBlock":
      return { base: blockSize(lone) + 1, shape: gridOf(lone) };
    default:
      throw new GmcError("GM4009", `\`${name}\` of \`${model.name}\` (${model.place}) has no finite list of states`, [
        "only binary and category variables can be enumerated; sum or integrate this one",
      ]);
  }
}

/** How many states the variables have together. GM4009 where they are too many to number. */
export function countStates(model: EnergyModel, names: readonly string[]): number {
  const log2 = names.reduce((total, name) => {
    const { base, shape } = digitsOf(model, name, unitsOf(model, name));
    return total + sizeOf(shape) * Math.log2(base);
  }, 0);
  if (log2 > MOST_LOG2)
    throw new GmcError("GM4009", `\`${names.join("`, `")}\` of \`${model.name}\` (${model.place}) have 2^${Math.round(log2)} states`, [
      "estimate the partition function by ais(…)",
    ]);
  return Math.round(2 ** log2);
}

/** States number `index` (i32 [...lead]) of the variables as the energy sees them, [...lead, ...event]; the last variable varies fastest. */
export function statesAt(model: EnergyModel, names: readonly string[], index: Tensor): Values {
  return valuesOf(model, names, digitsAt(model, names, index));
}

/** Digits of the states number `index`, i32 [...lead, ...digits] of each variable. */
function digitsAt(model: EnergyModel, names: readonly string[], index: Tensor): Values {
  const digits: Record<string, Tensor> = {};
  let stride = 1;
  for (const name of [...names].reverse()) {
    const { base, shape } = digitsOf(model, name, unitsOf(model, name));
    const size = sizeOf(shape);
    // (index / (stride base^j)) mod base, of each digit j
    const powers = Array.from({ length: size }, (_, e) => stride * base ** (size - 1 - e));
    const steps = constant(powers, [size], "i32");
    const whole = div(expandDims(index, -1), steps);
    digits[name] = reshape(sub(whole, mul(div(whole, base), base)), [...index.shape, ...shape]);
    stride *= base ** size;
  }
  return digits;
}

function valuesOf(model: EnergyModel, names: readonly string[], digits: Values): Values {
  return Object.fromEntries(names.map((name) => [name, valueOf(unitsOf(model, name), digits[name]!)]));
}

/** Some of the states, as `statesAt` gives them with `size` on a first axis before `lead` axes of extent 1. */
export interface StatePiece {
  readonly states: Values;
  readonly size: number;
}

/**
 * All states in order, in at most `most` pieces. The states of a piece differ in their last digits alone, so that what is computed of those is the
 * same in every piece.
 */
export function statePieces(model: EnergyModel, names: readonly string[], most: number, lead: number): readonly StatePiece[] {
  const count = countStates(model, names);
  const bases = names.flatMap((name) => {
    const { base, shape } = digitsOf(model, name, unitsOf(model, name));
    return new Array<number>(sizeOf(shape)).fill(base);
  });
  let size = 1;
  while (size * most < count) size *= bases.pop() ?? 1;
  const last = digitsAt(model, names, numbers(size, lead));
  return Array.from({ length: Math.round(count / size) }, (_, i) => {
    const first = digitsAt(model, names, constant(i * size, [], "i32"));
    const digits = Object.fromEntries(names.map((name) => [name, i === 0 ? last[name]! : add(last[name]!, first[name]!)]));
    return { states: valuesOf(model, names, digits), size };
  });
}

function valueOf(units: Units, digit: Tensor): Tensor {
  const lone = independent(units);
  switch (lone.kind) {
    case "categorical":
      return oneHot(digit, lone.classes);
    case "oneOfBlock": {
      // Digit 0 is "none", digit k unit k of the block.
      const hot = mul(oneHot(max(sub(digit, 1), 0), blockSize(lone)), expandDims(cast(greater(digit, 0), "f32"), -1));
      return fromBlocks(unitsForward(hot, lone), lone);
    }
    default:
      return cast(digit, "f32");
  }
}

/** 0, 1, …, n - 1 on a first axis before `lead` axes of extent 1. */
export function numbers(n: number, lead: number): Tensor {
  return iotaAlong([n, ...new Array<number>(lead).fill(1)], 0);
}
