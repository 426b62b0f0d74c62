/** The form of the builtin table's entries, and what their typing rules are given. */
import type { Span } from "../base/source.js";
import type { Grid } from "./autoregressive/grid.js";
import type { Context } from "./env.js";
import type { Range } from "./range.js";
import type { PermutesRule } from "./symmetry/axes.js";
import type { Dim, Element, Expr, TensorType } from "./types.js";

export type OptionValue = number | boolean | string | readonly number[];
export type Options = Readonly<Record<string, OptionValue>>;

/** A static argument of a function or layer, as `checkOption` reads it. */
export interface OptionSpec {
  readonly name: string;
  readonly kind: "number" | "integer" | "size" | "boolean" | "axis" | "axes" | "sizes" | "numbers" | "choice" | "pair" | "order";
  readonly choices?: readonly string[];
  /** The least number or size. */
  readonly min?: number;
  /** A number greater than this. */
  readonly above?: number;
  /** A number less than this. */
  readonly below?: number;
  /** The greatest number or size. */
  readonly most?: number;
  readonly required?: boolean;
  readonly named?: boolean;
  /** Name in the runtime where it differs. */
  readonly runtime?: string;
  readonly fallback?: OptionValue;
}

export interface BuiltinCall {
  readonly cx: Context;
  readonly name: string;
  /** The operator's sign where it is one. */
  readonly symbol: string | undefined;
  readonly span: Span;
  readonly args: readonly TypedArg[];
  /** Options given or with a fallback, under their `.gm` names; sizes keep their texts in `dims`. */
  readonly options: ReadonlyMap<string, OptionValue>;
  readonly dims: ReadonlyMap<string, readonly Dim[]>;
}

export interface TypedArg {
  readonly expr: Expr;
  readonly type: TensorType;
  readonly span: Span;
  /** K where it is a category's label. */
  readonly classes: Dim | undefined;
  /** Sizes of the blocks in which at most one of its units is on. */
  readonly blocks: readonly number[] | undefined;
}

/** What is known of an argument's value beside its interval. */
export interface KnownArg {
  readonly shape: readonly Dim[];
  /** Its entries along the last axis are probabilities that sum to 1. */
  readonly simplex: boolean;
}

export interface Typed {
  readonly type: TensorType;
  readonly options?: Options;
}

/** An argument of a function, by its position, that lies outside of where the function is defined, and what it should be. */
export interface Outside {
  readonly position: number;
  /** What the argument is there, in words; absent: the argument of the function by its name. */
  readonly what?: string;
  readonly expected: string;
}

export interface Builtin {
  /** Name in `.gm` and in the IR. */
  readonly fn: string;
  /** Name of the runtime's function. */
  readonly runtime: string;
  readonly doc: string;
  readonly args: readonly string[];
  /** Takes any number of further arguments. */
  readonly rest?: boolean;
  readonly options: readonly OptionSpec[];
  /** The option that takes all further positional arguments: `reshape(x, 7, 7, 64)`. */
  readonly restOption?: string;
  /** Elements that its arguments may have. */
  readonly takes: readonly Element[];
  /** Operators have no name of their own in a `.gm` file. */
  readonly symbol?: string;
  readonly type: (call: BuiltinCall) => Typed | undefined;
  readonly range?: (args: readonly Range[], options: Options, known: readonly KnownArg[]) => Range;
  /** Of numbers entry by entry: its value there, where `range` of points is wider than it. */
  readonly at?: (a: number, b: number, options: Options) => number;
  /** Of numbers entry by entry: what is 0 where it has no bound. */
  readonly pole?: (a: number, b: number) => number;
  /** The argument that has no value whatever the others are, by what is known of them all: it is no number there. */
  readonly outside?: (args: readonly Range[]) => Outside | undefined;
  /** Of a function without arguments: its entry at an index. */
  readonly constant?: (index: readonly number[]) => number;
  /** Whether the entries of the result along its last axis are probabilities that sum to 1. */
  readonly simplex?: (args: readonly KnownArg[], options: Options) => boolean;
  /** Of whole numbers from 0 on, how many they may be; absent: no one knows. */
  readonly classes?: (args: readonly KnownArg[], options: Options) => number | undefined;
  /** Only rearranges or repeats entries of its first argument. */
  readonly moves?: boolean;
  /** No gradient passes through it: by request, or because its derivative is 0 wherever it has one. */
  readonly noGradient?: true;
  /** In which arguments it is linear; absent: in none. */
  readonly linear?: Linearity;
  /** Not linear, but a polynomial: of this degree in its argument, or its first argument to the power of the second. */
  readonly power?: number | "exponent";
  /** Of a function that is not linear nor a power: its entries grow at most as this power of its arguments' do. */
  readonly growth?: number;
  /** Of a function of one value: an interval that its derivative lies in, where the value lies in one. */
  readonly slope?: (x: Range, options: Options) => Range;
  /** Its derivatives in the entries that it reads are weights that sum to 1. */
  readonly averages?: true;
  /** One number added to all that it reads changes nothing. */
  readonly shiftInvariant?: true;
  /** Of a reduction: its value and its derivatives in what it reduces. */
  readonly jet?: (values: readonly number[]) => { readonly value: number; readonly slopes: readonly number[] };
  /** Put together of pieces, so that it may keep one value, or a sum with it may, while its arguments move. */
  readonly pieces?: true;
  /** Linear on each of its pieces, with kinks between them: its second derivative is 0 wherever there is one. */
  readonly piecewiseLinear?: true;
  /** Which entries of its arguments an entry of the result depends on; absent: on any. */
  readonly reads?: Reads;
  /** Of the axes that it reads, an entry reads those up to its own place alone. */
  readonly running?: true;
  /**
   * Degrees of the result's entries from those of its arguments', `shape` being the result's; absent: what `reads` says, and where that leaves open
   * which entry is read, the greatest of all.
   */
  readonly degrees?: (args: readonly Grid[], call: { readonly options: Options; readonly shape: readonly number[] }) => Grid;
  /** What another order of a set's points does to it; absent: nothing where it works entry by entry (`reads`), else it depends on the order. */
  readonly permutes?: PermutesRule;
  /** Couples the rows of a batch: its value is one for all of them. */
  readonly wholeBatch?: true;
  /** Of such a function: rows that a batch holds at least; absent: 1. */
  readonly leastRows?: (options: Options) => number;
  /** Position of an argument of labels in whose one-hot form the function is linear. */
  readonly labels?: number;
}

/** Groups of positions: linear in the arguments of a group together while all others are held. `[[0, 1]]` of `+`, `[[0], [1]]` of `*`. */
export type Linearity = "all" | readonly (readonly number[])[];

/**
 * `place`: on the entry at its own place of each argument, repeated to the common shape. `one`: on at most one entry of one argument.
 * `contract`: as a matrix product. Otherwise the axes, from the end, of which it reads all entries; on the other axes its own place alone.
 */
export type Reads = "place" | "one" | "contract" | ((options: Options) => readonly number[]);

/** Whether a function is linear in the arguments at these positions together, the others held. */
export function isLinearIn(linear: Linearity | undefined, positions: readonly number[]): boolean {
  if (linear === undefined) return false;
  return linear === "all" || linear.some((group) => positions.every((p) => group.includes(p)));
}
