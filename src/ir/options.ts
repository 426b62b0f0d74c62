/** Static options of functions and layers: read, checked against their kind, put into the IR's form. */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import type { Actual } from "./arguments.js";
import { whyNoOrder } from "./autoregressive/order.js";
import type { OptionSpec, OptionValue } from "./builtins.js";
import type { Env } from "./env.js";
import { elementCount, maxElements, showShape } from "./shapes.js";
import { kindOfStatic, outOfRange, requireStatic, type Static } from "./static.js";
import type { Dim } from "./types.js";

export interface OptionValues {
  readonly options: ReadonlyMap<string, OptionValue>;
  readonly dims: ReadonlyMap<string, readonly Dim[]>;
}

/** `shape` is the shape that axes refer to. Reports and gives undefined where an option is wrong. */
export function readOptions(
  env: Env,
  what: string,
  specs: readonly OptionSpec[],
  byName: ReadonlyMap<string, Actual>,
  rest: { readonly option: string; readonly actuals: readonly Actual[] } | undefined,
  shape: readonly Dim[],
): OptionValues | undefined {
  const options = new Map<string, OptionValue>();
  const dims = new Map<string, readonly Dim[]>();
  let ok = true;
  for (const spec of specs) {
    const named = byName.get(spec.name);
    const more = rest?.option === spec.name ? rest.actuals : [];
    const actuals = named ? [named, ...more] : more;
    if (actuals.length === 0) {
      if (spec.fallback !== undefined) options.set(spec.name, spec.fallback);
      continue;
    }
    const value = readOne(env, what, spec, actuals, shape);
    if (value === undefined) ok = false;
    else {
      options.set(spec.name, value.value);
      if (value.dims) dims.set(spec.name, value.dims);
    }
  }
  return ok ? { options, dims } : undefined;
}

interface Read {
  readonly value: OptionValue;
  readonly dims?: readonly Dim[];
}

function readOne(env: Env, what: string, spec: OptionSpec, actuals: readonly Actual[], shape: readonly Dim[]): Read | undefined {
  const name = `\`${spec.name}\` of ${what}`;
  const [actual] = actuals;
  if (!actual) return undefined;
  const values: { readonly value: Static; readonly span: Span; readonly expr: ast.Expr }[] = [];
  let isList = false;
  for (const a of actuals) {
    if (a.kind === "piped") {
      report(env.cx.diagnostics, "GM2017", a.span, { what: name });
      return undefined;
    }
    const bare = spec.choices && a.value.kind === "name" && !env.scope.find(a.value.name) ? a.value.name : undefined;
    if (bare !== undefined && spec.choices?.includes(bare))
      return wrong(env, a.span, name, expectationOf(spec), `the name ${bare}`, [`a text stands in quotes: \`${JSON.stringify(bare)}\``]);
    const value = requireStatic(env, a.value, name);
    if (value === undefined) return undefined;
    isList ||= value.kind === "list";
    for (const item of value.kind === "list" ? value.items : [value]) values.push({ value: item, span: a.span, expr: a.value });
  }
  const [first] = values;
  if (!first) return wrong(env, actual.span, name, expectationOf(spec), "an empty list");
  const list =
    spec.kind === "axes" || spec.kind === "sizes" || spec.kind === "numbers" || spec.kind === "pair" || (spec.kind === "order" && isList);
  if (!list && values.length > 1) return wrong(env, actual.span, name, expectationOf(spec), `a list of ${values.length}`);
  switch (spec.kind) {
    case "number":
      if (
        first.value.kind !== "number" ||
        Number.isNaN(first.value.value) ||
        first.value.value < (spec.min ?? -Infinity) ||
        first.value.value > (spec.most ?? Infinity) ||
        (spec.above !== undefined && first.value.value <= spec.above) ||
        (spec.below !== undefined && first.value.value >= spec.below)
      )
        return wrong(env, first.span, name, expectationOf(spec), kindOfStatic(first.value));
      return { value: first.value.value };
    case "numbers": {
      const out: number[] = [];
      for (const { value, span } of values) {
        if (value.kind !== "number" || !(value.value > (spec.min ?? -Infinity)))
          return wrong(env, span, name, expectationOf(spec), kindOfStatic(value));
        out.push(value.value);
      }
      return { value: out };
    }
    case "boolean":
      return first.value.kind === "boolean"
        ? { value: first.value.value }
        : wrong(env, first.span, name, "true or false", kindOfStatic(first.value));
    case "choice":
      return readChoice(env, name, spec, first.value, first.span);
    case "order":
      if (list) return readOrder(env, what, spec, values, shape);
      if (first.value.kind === "string") return readChoice(env, name, spec, first.value, first.span);
      return first.value.kind === "number" && Number.isInteger(first.value.value) && first.value.value >= 0
        ? { value: first.value.value }
        : wrong(env, first.span, name, expectationOf(spec), kindOfStatic(first.value));
    case "integer":
    case "size":
    case "sizes":
    case "pair": {
      const min = leastOf(spec);
      const out: Dim[] = [];
      for (const { value, span, expr } of values) {
        const fits =
          value.kind === "number" && Number.isInteger(value.value) && value.value >= min && value.value <= (spec.most ?? Infinity);
        if (!fits) {
          outOfRange(env, expr, name, expectationOf(spec), kindOfStatic(value), span);
          return undefined;
        }
        out.push({ size: value.value, text: value.text });
      }
      const numbers = out.map((d) => d.size);
      return { value: list ? numbers : (numbers[0] ?? 0), dims: out };
    }
    case "axis":
    case "axes": {
      const axes: number[] = [];
      for (const { value, span } of values) {
        const axis = value.kind === "number" ? toAxis(value.value, shape.length) : undefined;
        if (axis === undefined) {
          report(
            env.cx.diagnostics,
            "GM2047",
            span,
            { what, axis: value.kind === "number" ? String(value.value) : kindOfStatic(value), shape: showShape(shape) },
            {
              help: shape.length === 0 ? ["a scalar has no axes"] : [`axes are counted from 1: 1..${shape.length}, or -1 for the last`],
            },
          );
          return undefined;
        }
        axes.push(axis);
      }
      return { value: list ? axes : (axes[0] ?? -1) };
    }
  }
}

function readChoice(env: Env, name: string, spec: OptionSpec, value: Static, span: Span): Read | undefined {
  const choices = spec.choices ?? [];
  if (value.kind === "string" && choices.includes(value.value)) return { value: value.value };
  const near = value.kind === "string" ? didYouMeanHelp(value.value, choices) : [];
  return wrong(env, span, name, expectationOf(spec), kindOfStatic(value), near);
}

/** A list that names each of its places once, from 1; in the IR from 0. */
function readOrder(
  env: Env,
  what: string,
  spec: OptionSpec,
  values: readonly { readonly value: Static; readonly span: Span }[],
  shape: readonly Dim[],
): Read | undefined {
  const places = values.map(({ value }) => (value.kind === "number" ? value.value : NaN));
  const why = whyNoOrder(places, places.length);
  if (why === undefined) return { value: places.map((place) => place - 1) };
  // how many places there are is known where the list is as long as an axis: else one that names place 4 may be one of 4 that is too short
  const most = Math.max(...places);
  const sizes = [...shape.map((d) => d.size), elementCount(shape)];
  const short =
    places.length > 0 &&
    most > places.length &&
    !sizes.includes(places.length) &&
    whyNoOrder(places, most)?.startsWith("it holds") === true;
  const [said, help] = short
    ? [`it names place ${most}, and holds ${places.length} places`, `name each of the places once: of ${most}, 1 to ${most}`]
    : [why, `name each of the places 1 to ${places.length} once`];
  report(
    env.cx.diagnostics,
    "GM2086",
    values[0]?.span,
    { what: `\`${spec.name}\` of ${what}`, why: said },
    { help: [help, ...OTHER_ORDERS] },
  );
  return undefined;
}

const OTHER_ORDERS: readonly string[] = ['or write `order = "reverse"`, or the seed of an order by chance, `order = 7`'];

/** 1-based, or negative from the end -> negative from the end. */
export function toAxis(axis: number, rank: number): number | undefined {
  if (!Number.isInteger(axis)) return undefined;
  if (axis >= 1 && axis <= rank) return axis - 1 - rank;
  return axis < 0 && axis >= -rank ? axis : undefined;
}

function expectationOf(spec: OptionSpec): string {
  switch (spec.kind) {
    case "number":
      return numberBetween(spec);
    case "integer":
      return "a whole number";
    case "size":
      return spec.most === undefined
        ? `a whole number of at least ${leastOf(spec)}`
        : `a whole number from ${leastOf(spec)} to ${spec.most}`;
    case "numbers":
      return spec.min === undefined ? "a list of numbers" : `a list of numbers above ${spec.min}`;
    case "sizes":
      return "whole numbers of at least 1";
    case "pair":
      return "a list of whole numbers of at least 0";
    case "boolean":
      return "true or false";
    case "axis":
    case "axes":
      return "an axis";
    case "order":
      return '"natural", "reverse", a seed, or a list of places';
    case "choice":
      return (spec.choices ?? []).map((c) => JSON.stringify(c)).join(" or ");
  }
}

/** Of whole numbers. */
function leastOf({ kind, min }: OptionSpec): number {
  return min ?? (kind === "integer" ? -maxElements : kind === "pair" ? 0 : 1);
}

/** `a number above 0 and at most 1000` */
function numberBetween({ min, above, below, most }: OptionSpec): string {
  const ends = [
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(min === undefined ? [] : [`of at least ${min}`]),
    ...(below === undefined ? [] : [`below ${below}`]),
    ...(most === undefined ? [] : [`at most ${most}`]),
  ];
  return ends.length === 0 ? "a number" : `a number ${ends.join(" and ")}`;
}

function wrong(env: Env, span: Span, name: string, expected: string, found: string, help: readonly string[] = []): undefined {
  report(env.cx.diagnostics, "GM2018", span, { what: name, expected, found }, { help });
  return undefined;
}
