/** What an entry of the table of bijections is, what it is called with and what it answers. */
import type { Span } from "../base/source.js";
import type { OptionSpec, OptionValue } from "./builtins.js";
import type { Context } from "./env.js";
import type { Dim, Directions, DomainName, Side } from "./types.js";

export interface BijectionCall {
  readonly cx: Context;
  readonly name: string;
  readonly span: Span;
  /** What comes out of the step before: the side of z. */
  readonly from: Side;
  readonly options: ReadonlyMap<string, OptionValue>;
  readonly dims: ReadonlyMap<string, readonly Dim[]>;
}

export interface BijectionResult {
  readonly to: Side;
  /** Arguments of the runtime's `bijection.spec(…)`, options aside. */
  readonly spec?: readonly (number | readonly number[])[];
  /** Options of the bijection that differ from their defaults, under the runtime's names; the event's shape aside. */
  readonly options: Readonly<Record<string, OptionValue>>;
  /** Trained numbers of its own. */
  readonly parameters: number;
  /** Event shapes that its conditioner maps from and to; `help` towards a net that does. */
  readonly conditioner?: { readonly from: readonly Dim[]; readonly to: readonly Dim[]; readonly help?: readonly string[] };
  /** The side that its inner chain maps from, and to. */
  readonly inner?: { readonly from: Side };
}

export interface Bijection {
  /** `invertible_linear` */
  readonly name: string;
  /** The runtime's function. */
  readonly runtime: string;
  readonly doc: string;
  /** Its first argument is a net that gives it its parameters. */
  readonly conditioned?: boolean;
  /** Its net gives each entry's parameters themselves, of the entries before it: no output layer is put on top, and that is proven. */
  readonly autoregressive?: boolean;
  readonly options: readonly OptionSpec[];
  /** Domains that it maps from; absent: any, which it keeps. */
  readonly takes?: readonly DomainName[];
  /** The domain that it leads to, where it is another one. */
  readonly ends?: DomainName;
  /** What the way from there is called: the `logit` of data that a `sigmoid` makes. */
  readonly back?: string;
  readonly directions: Directions;
  /** Each entry of the result depends on that entry alone. */
  readonly elementwise: boolean;
  /** log |det dx/dz| for `explain`, z the input and x the output of the step. */
  readonly logDet: string;
  /** What makes it invertible, where that is a matter of its weights. */
  readonly constraint?: string;
  /** Going back draws random numbers. */
  readonly keyed?: boolean;
  /** Its first argument is a chain that a part of its input goes through. */
  readonly nests?: boolean;
  /** It may take a flow, conditioned on x, that makes its noise. */
  readonly noisy?: boolean;
  readonly apply: (call: BijectionCall) => BijectionResult | undefined;
}
