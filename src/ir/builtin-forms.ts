/** The forms that entries of the function table share: entrywise in one or two operands, reductions over axes. */
import { camel } from "../base/camel.js";
import { elementwise, without } from "./builtin-rules.js";
import type { Builtin, KnownArg, Linearity, OptionSpec } from "./builtin-types.js";
import { anything, type Range } from "./range.js";
import { tensor } from "./shapes.js";
import type { Element } from "./types.js";

export const numeric: readonly Element[] = ["real"];

export function unary(fn: string, doc: string, range?: Builtin["range"], more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: more.runtime ?? camel(fn),
    doc,
    args: ["x"],
    options: [],
    takes: numeric,
    reads: "place",
    type: ({ args }) => ({ type: tensor(args[0]?.type.shape ?? []) }),
    ...(range ? { range } : {}),
    ...more,
  };
}

export function binary(fn: string, doc: string, range?: Builtin["range"], more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: more.runtime ?? camel(fn),
    doc,
    args: ["a", "b"],
    options: [],
    takes: numeric,
    reads: "place",
    type: (call) => elementwise(call, "real"),
    ...(range ? { range } : {}),
    ...more,
  };
}

export function comparison(fn: string, doc: string): Builtin {
  return binary(fn, doc, undefined, { takes: ["real", "int"], growth: 0, type: (call) => elementwise(call, "bool") });
}

export const axesOption: OptionSpec = { name: "axis", kind: "axes" };
export const axisOption: OptionSpec = { name: "axis", kind: "axis", fallback: -1 };

export function reduction(fn: string, doc: string, range?: Builtin["range"], more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: camel(fn),
    doc,
    args: ["x"],
    options: [axesOption],
    takes: numeric,
    reads: ({ axes }) => axes as readonly number[],
    type: ({ args, options }) => {
      const shape = args[0]?.type.shape ?? [];
      const axes = (options.get("axis") as readonly number[] | undefined) ?? shape.map((_, i) => i - shape.length);
      return { type: tensor(without(shape, axes)), options: { axes } };
    },
    ...(range ? { range } : {}),
    ...more,
  };
}

export const kept = ([x]: readonly KnownArg[]): boolean => x?.simplex === true;

/** Linear in both operands together, in each of them, in the first. */
export const together: Linearity = [[0, 1]];
export const each: Linearity = [[0], [1]];
export const inFirst: Linearity = [[0]];

/** Height and width of [height, width, channels]. */
export const overImage: readonly number[] = [-3, -2];

export const first = ([r = anything]: readonly Range[]): Range => r;
