/**
 * What is known of a value beyond its type: the interval it lies in, the classes of a label, whether its last axis holds probabilities that
 * sum to 1, and whether it comes raw from a layer. Used to find a scale that may be negative or a probability outside 0..1. Bounds are safe: a value never lies outside its interval.
 */
import type { Span } from "../base/source.js";
import { type Builtin, builtins } from "./builtins.js";
import type { Context } from "./env.js";
import { layers } from "./layers.js";
import { matrixOf, type MatrixFacts, noMatrix } from "./matrices.js";
import { mixtureOf } from "./mixtures.js";
import { anything, common, fromZero, hull, isNeverPositive, isNonNegative, negated, type Range, rangeOfDomain } from "./range.js";
import type { Dim, Domain, Expr } from "./types.js";
import { childrenOf, walkExpr } from "./walk.js";

export interface Facts {
  readonly range: Range;
  /** K of a category's labels. */
  readonly classes: Dim | undefined;
  /** Sizes of the blocks of its leading axes in which at most one unit is on. */
  readonly blocks: readonly number[] | undefined;
  /** Entries along the last axis are probabilities that sum to 1. */
  readonly simplex: boolean;
  /** What makes the value take certainly all of its interval: a layer's output, a matrix product, a free parameter, or a function of one of these. */
  readonly raw: Raw | undefined;
  readonly matrix: MatrixFacts;
  /** What a name stands for in the body that binds it. */
  readonly stands: Expr | undefined;
  /** How deep the expression nests; a name counts as 0. */
  readonly depth: number;
  /** Of a record. */
  readonly fields: ReadonlyMap<string, Facts> | undefined;
}

export interface Raw {
  readonly span: Span;
  /** "a layer's output" */
  readonly what: string;
  /** The value is a function of it. */
  readonly computed: boolean;
  /** The parameter that it is. */
  readonly param?: string;
}

export const noFacts: Facts = {
  range: anything,
  classes: undefined,
  blocks: undefined,
  simplex: false,
  raw: undefined,
  matrix: noMatrix,
  stands: undefined,
  depth: 0,
  fields: undefined,
};

/** What a variable's or parameter's domain says. */
export function factsOfDomain(domain: Domain): Facts {
  return {
    ...noFacts,
    range: rangeOfDomain(domain),
    classes: domain.classes,
    blocks: domain.atMostOne,
    simplex: domain.name === "simplex",
  };
}

function ranged(range: Range): Facts {
  return { ...noFacts, range };
}

export function factsOf(cx: Context, expr: Expr): Facts {
  const known = cx.factsOfExpr.get(expr);
  if (known) return known;
  const found = findFacts(cx, expr);
  const depth = depthOf(cx, expr);
  const facts = { ...found, depth, stands: expr.kind === "local" ? found.stands : expr };
  cx.factsOfExpr.set(expr, facts);
  return facts;
}

function depthOf(cx: Context, expr: Expr): number {
  let depth = 0;
  for (const child of childrenOf(expr)) depth = Math.max(depth, 1 + factsOf(cx, child).depth);
  return depth;
}

/** Sums of products, which take any value. */
const PRODUCTS: Readonly<Record<string, string>> = { matmul: "a matrix product", conv: "a convolution", conv_transpose: "a convolution" };

function findFacts(cx: Context, expr: Expr): Facts {
  switch (expr.kind) {
    case "number":
      return ranged({ low: expr.value, high: expr.value, lowOpen: false, highOpen: false });
    case "local":
      return cx.facts.get(expr.local.id) ?? noFacts;
    case "netCall": {
      const facts = cx.facts.get(netKey(expr.net)) ?? noFacts;
      return expr.over ? mapped(facts) : facts;
    }
    case "variable": {
      const domain = cx.variables.get(expr.variable)?.domain;
      return domain ? factsOfDomain(domain) : noFacts;
    }
    case "param": {
      const domain = cx.params.find((p) => p.name === expr.param)?.domain;
      if (!domain) return noFacts;
      const free = domain.name === "real" && !cx.constrained.has(expr.param.replace(/\[.*/u, ""));
      const raw = free
        ? { span: expr.span, what: `the \`real\` parameter \`${expr.param}\``, computed: false, param: expr.param }
        : undefined;
      return { ...factsOfDomain(domain), raw };
    }
    case "builtin": {
      const entry = builtins.get(expr.fn);
      if (entry === undefined) return noFacts;
      const args = expr.args.map((arg) => factsOf(cx, arg));
      const known = expr.args.map((arg, i) => ({
        shape: arg.type.kind === "tensor" ? arg.type.shape : [],
        simplex: args[i]?.simplex === true,
      }));
      const ranges = args.map((arg) => arg.range);
      const interval = entry.range ? entry.range(ranges, expr.options, known) : anything;
      const mixture = mixtureOf({ facts: (e) => factsOf(cx, e), random: (e) => isRandom(cx, e) }, expr);
      const range = mixture ? common(interval, mixture.range) : interval;
      const first = args[0];
      const product = PRODUCTS[entry.fn];
      return {
        ...noFacts,
        range,
        simplex: mixture?.simplex === true || entry.simplex?.(known, expr.options) === true,
        raw:
          product !== undefined && range.low < 0 && range.high > 0
            ? { span: expr.span, what: product, computed: false }
            : rawOf(entry, args),
        matrix: matrixOf(expr, args),
        classes: entry.moves ? first?.classes : countedClasses(entry.classes?.(known, expr.options)),
      };
    }
    case "layer": {
      const entry = layers.get(expr.instance.layer);
      const input = expr.args[0];
      return entry?.keepsSign && input
        ? signOf(factsOf(cx, input))
        : { ...noFacts, raw: { span: expr.span, what: "a layer's output", computed: false } };
    }
    case "flowCall": {
      const flow = cx.flowByName.get(expr.flow);
      const side = flow && (expr.direction === "forward" ? flow.to : flow.from);
      return side
        ? factsOfDomain({ name: side.domain, classes: undefined, shape: side.shape, optional: false, atMostOne: undefined })
        : noFacts;
    }
    case "record":
      return { ...noFacts, fields: new Map(expr.fields.map((f) => [f.name, factsOf(cx, f.value)])) };
    case "field":
      return factsOf(cx, expr.target).fields?.get(expr.field) ?? noFacts;
    case "reduce":
      return expr.op === "sum" ? noFacts : ranged(factsOf(cx, expr.body).range);
    case "expectation":
      return ranged(factsOf(cx, expr.body).range);
    case "schedule":
      return ranged(hull([]));
    case "logDensity":
    case "optimum":
    case "grad":
      return noFacts;
  }
}

/** Of a value with further axes in front: its leading ones are others. */
function mapped(facts: Facts): Facts {
  return { ...facts, blocks: undefined, fields: facts.fields && new Map([...facts.fields].map(([name, f]) => [name, mapped(f)])) };
}

/** Whether two evaluations of it may differ. */
function isRandom(cx: Context, expr: Expr): boolean {
  let random = false;
  walkExpr(expr, (e) => {
    random ||=
      (e.kind === "layer" && layers.get(e.instance.layer)?.keyed === true) ||
      (e.kind === "netCall" && cx.netByName.get(e.net)?.random === true) ||
      e.kind === "flowCall";
  });
  return random;
}

const countedClasses = (count: number | undefined): Dim | undefined =>
  count === undefined ? undefined : { size: count, text: String(count) };

/** Functions of two values that take all of their interval where one value does and the other is a number. */
const ARITHMETIC: ReadonlySet<string> = new Set(["add", "sub", "mul", "div"]);

/** Whether a function's value takes all of the interval that is worked out for it. */
function rawOf(entry: Builtin, args: readonly Facts[]): Raw | undefined {
  const [a, b] = args;
  if (entry.moves || entry.fn === "take") return a?.raw;
  const computed = (raw: Raw | undefined): Raw | undefined => raw && { ...raw, computed: true };
  if (entry.fn === "neg") return computed(a?.raw);
  // of the whole line, the image under a function of one number is what its entry says; of a part of it, it may be less
  if (args.length === 1 && entry.reads === "place") return isWholeLine(a) ? computed(a?.raw) : undefined;
  if (!a || !b || !ARITHMETIC.has(entry.fn)) return undefined;
  if (isNumber(b)) return computed(a.raw);
  return isNumber(a) && entry.fn !== "div" ? computed(b.raw) : undefined;
}

function isWholeLine(facts: Facts | undefined): boolean {
  return facts?.range.low === -Infinity && facts.range.high === Infinity;
}

function isNumber({ range }: Facts): boolean {
  return range.low === range.high;
}

/** Of a value whose entries are scaled or set to zero. */
function signOf({ range, raw }: Facts): Facts {
  return { ...noFacts, range: isNonNegative(range) ? fromZero : isNeverPositive(range) ? negated(fromZero) : anything, raw };
}

/** Key of a net's result among the facts. */
export function netKey(net: string): string {
  return `${net}()`;
}
