/** Ways out for a flow whose values lie in a part of what it is declared onto: each leads to a flow that reaches all of its range. */
import type * as ast from "../parser/ast.js";
import { added, multiplied, type Range, rangeOfDomain } from "./range.js";
import { sameExpr } from "./same-expr.js";
import type { DomainName, Expr, Side } from "./types.js";

type Continuous = "real" | "positive" | "unit";
const CONTINUOUS: readonly Continuous[] = ["real", "positive", "unit"];

/** Functions that map all of one domain onto all of another. */
const REACHING: Readonly<Record<Continuous, Readonly<Record<Continuous, string>>>> = {
  real: { real: "z + tanh(z)", positive: "exp(z)", unit: "sigmoid(z)" },
  positive: { real: "log(z)", positive: "exp(a) * z", unit: "1 - exp(-z)" },
  unit: { real: "log(z) - log(1 - z)", positive: "-log(z)", unit: "sigmoid(log(z) - log(1 - z) + a)" },
};

const isContinuous = (name: DomainName): name is Continuous => CONTINUOUS.some((d) => d === name);

const allOf = (name: Continuous): Range => rangeOfDomain({ name, classes: undefined, shape: [], optional: false, atMostOne: undefined });

const such = (from: DomainName, onto: Continuous): string => (isContinuous(from) ? `, such as those of \`${REACHING[from][onto]}\`` : "");

/** Ways out where values lie in `range`. */
export function waysOnto(range: Range, from: Side, onto: Side): readonly string[] {
  const other = CONTINUOUS.find((name) => name !== onto.domain && allOf(name).low === range.low && allOf(name).high === range.high);
  const own = isContinuous(onto.domain) ? [`give it values that reach all of \`${onto.domain}\`${such(from.domain, onto.domain)}`] : [];
  if (other !== undefined) return [`declare it onto \`${other}\`, as are then the data: \`-> ${other}${sizes(onto)}\``, ...own];
  const moved = movedData(range);
  return [
    ...(moved === undefined
      ? []
      : [
          `data that lie there: let \`${moved.data}\` be the data, \`${moved.onto}\`, and end the flow in all of that, \`-> ${moved.onto}${sizes(onto)}\`, with values${such(from.domain, moved.onto).replace(",", "")}`,
        ]),
    ...own,
  ];
}

export const sizes = ({ shape }: Pick<Side, "shape">): string => (shape.length === 0 ? "" : `[${shape.map((d) => d.text).join(", ")}]`);

/** What data x of an interval are to become so that they fill a domain. */
function movedData({ low, high }: Range): { readonly data: string; readonly onto: Continuous } | undefined {
  const [from, to] = [Number.isFinite(low), Number.isFinite(high)];
  if (!from && !to) return undefined;
  const lessLow = low === 0 ? "x" : low < 0 ? `x + ${short(-low)}` : `x - ${short(low)}`;
  if (!to) return { data: lessLow, onto: "positive" };
  if (!from) return { data: high === 0 ? "-x" : `${short(high)} - x`, onto: "positive" };
  const width = short(high - low);
  return { data: width === "1" ? lessLow : `${low === 0 ? "x" : `(${lessLow})`} / ${width}`, onto: "unit" };
}

const short = (n: number): string => String(Number(n.toPrecision(6)));

/** Room at the ends of the unit interval is a matter of the noise under whole numbers, whose first and last level take what lies beyond. */
export const roomHelp = (direction: ast.FlowDirection["direction"], { domain }: Side): readonly string[] =>
  direction === "forward" && domain === "unit"
    ? ["room at both ends, as in a logit of 0.05 + 0.9 x, is for bytes: `… |> sigmoid |> dequantize(alpha = 0.05)`"]
    : [];

/** A term of a sum, with its factor; `size`: the magnitudes that the factor is a sum of. */
interface Term {
  readonly term: Expr;
  factor: number;
  size: number;
}

/** Where the values of an expression lie; terms of a sum that undo one another, as in `z - tanh(z) - z`, take no part. */
export function rangeOfSum(value: Expr, rangeOf: (expr: Expr) => Range): Range {
  const terms: Term[] = [];
  const gather = (e: Expr, factor: number): void => {
    const [a, b] = e.kind === "builtin" ? e.args : [];
    const fn = e.kind === "builtin" ? e.fn : undefined;
    if (a && fn === "neg") return gather(a, -factor);
    if (a && b && (fn === "add" || fn === "sub")) {
      gather(a, factor);
      return gather(b, fn === "sub" ? -factor : factor);
    }
    if (a && b?.kind === "number" && fn === "div" && b.value !== 0) return gather(a, factor / b.value);
    if (a && b?.kind === "number" && fn === "mul") return gather(a, factor * b.value);
    if (b && a?.kind === "number" && fn === "mul") return gather(b, factor * a.value);
    const known = terms.find(({ term }) => sameExpr(term, e));
    if (!known) return void terms.push({ term: e, factor, size: Math.abs(factor) });
    known.factor += factor;
    known.size += Math.abs(factor);
  };
  gather(value, 1);
  const left = terms.filter(({ factor, size }) => Math.abs(factor) > 1e-12 * size);
  if (left.length === terms.length) return rangeOf(value);
  const at = (v: number): Range => ({ low: v, high: v, lowOpen: false, highOpen: false });
  return left.reduce((sum, { term, factor }) => added(sum, multiplied(at(factor), rangeOf(term))), at(0));
}
