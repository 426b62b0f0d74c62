/** Calls of the builtin table with elaborated arguments: elements and shapes checked, the result typed. */
import { InternalError } from "../base/internal-error.js";
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { type Builtin, builtins, type OptionValue, type TypedArg } from "./builtins.js";
import type { Env } from "./env.js";
import { factsOf } from "./facts.js";
import { hasNoValue, type Placed, showFound } from "./no-value.js";
import { elementCount, maxElements, showShape, showType } from "./shapes.js";
import { constantAt } from "./static.js";
import type { Dim, Expr, TensorType } from "./types.js";

export interface StaticOptions {
  readonly options: ReadonlyMap<string, OptionValue>;
  readonly dims: ReadonlyMap<string, readonly Dim[]>;
}

const none: StaticOptions = { options: new Map(), dims: new Map() };

/** `written`: the arguments as they stand in the text, where they do. */
export function builtinCall(
  env: Env,
  fn: string,
  args: readonly Expr[],
  span: Span,
  statics: StaticOptions = none,
  written: readonly ast.Expr[] = [],
): Expr | undefined {
  const entry = builtins.get(fn);
  if (entry === undefined) throw new InternalError(`no builtin ${fn}`);
  if (entry.wholeBatch && env.mode !== "objective") {
    report(
      env.cx.diagnostics,
      "GM3749",
      span,
      { fn, where: env.mode },
      { help: ["give the net's value a name in an objective, and call it there"] },
    );
    return undefined;
  }
  const typed = args.map((arg, i) => typedArg(env, entry, arg, i));
  const clean = typed.flatMap((arg) => (arg ? [arg] : []));
  if (clean.length < typed.length) return undefined;
  const result = entry.type({
    cx: env.cx,
    name: fn,
    symbol: entry.symbol,
    span,
    args: clean,
    options: statics.options,
    dims: statics.dims,
  });
  if (result === undefined || !withinLimit(env, result.type, span)) return undefined;
  if (
    hasNoValue(
      env,
      entry,
      args.map((arg, i) => placed(env, arg, written[i])),
    )
  )
    return undefined;
  const [only] = args;
  // a reduction of a scalar, a stop of a number: the thing itself
  if (only && args.length === 1 && Array.isArray(result.options?.["axes"]) && result.options["axes"].length === 0 && fn !== "norm")
    return only;
  return notTooDeep(env, { kind: "builtin", fn, args, options: result.options ?? {}, type: result.type, span });
}

function placed(env: Env, arg: Expr, written: ast.Expr | undefined): Placed {
  if (arg.kind === "number" && written !== undefined) return constantAt(env, written, arg);
  const { range } = factsOf(env.cx, arg);
  const at = { span: arg.span, range, ...(arg.kind === "number" && { text: arg.text }) };
  if (arg.kind !== "local") return at;
  const label = `\`${arg.local.name}\` is ${showFound(at).replace(/^values /u, "")}`;
  return { ...at, labels: [{ span: arg.local.span, text: label }] };
}

function typedArg(env: Env, entry: Builtin, arg: Expr, position: number): TypedArg | undefined {
  const name = `\`${entry.symbol ?? entry.fn}\``;
  const type = requireTensor(env, arg);
  if (type === undefined) return undefined;
  const labels = entry.fn === "take" && position === 1;
  if (labels && type.element !== "int") {
    report(env.cx.diagnostics, "GM2039", arg.span, { what: "an axis", expected: "a whole number or a category", found: showType(type) });
    return undefined;
  }
  if (!labels && !entry.takes.includes(type.element)) {
    if (type.element === "int") reportLabel(env, arg, name);
    else if (entry.takes.includes("int")) report(env.cx.diagnostics, "GM2050", arg.span, { what: name, found: showType(type) });
    else
      report(env.cx.diagnostics, "GM2048", arg.span, {
        what: name,
        expected: entry.takes.includes("bool") ? "truth values" : "numbers",
        found: showType(type),
      });
    return undefined;
  }
  const { classes, blocks } = factsOf(env.cx, arg);
  return { expr: arg, type, span: arg.span, classes, blocks };
}

/** A category's label where a number is wanted; of one that is drawn as a number too, it has been told that its domain is wrong. */
export function reportLabel(env: Env, label: Expr, what: string): void {
  if (label.kind === "variable" && env.cx.told.has(domainOf(label.variable))) return;
  report(
    env.cx.diagnostics,
    "GM2037",
    label.span,
    { what },
    {
      help: ["`onehot(y)` makes it a vector of zeros and one 1", "`embedding(y, 16)` gives each class a trained vector"],
    },
  );
}

/** Key of what has been told about the domain of a variable. */
export function domainOf(variable: string): string {
  return `domain of ${variable}`;
}

/** Reports GM2036 for a record; `field` is the one that is meant, where that can be told. */
export function requireTensor(env: Env, expr: Expr, field?: string): TensorType | undefined {
  if (expr.type.kind === "tensor") return expr.type;
  const fields = field === undefined ? expr.type.fields.map((f) => f.name) : [field];
  const help = fields.length === 0 ? [] : [`name the field that is meant: ${fields.map((name) => `\`.${name}\``).join(" or ")}`];
  report(env.cx.diagnostics, "GM2036", expr.span, { found: showType(expr.type) }, { help });
  return undefined;
}

/** Reports GM2019 where a value has more entries than any tensor may have. */
export function withinLimit(env: Pick<Env, "cx">, type: TensorType, span: Span): boolean {
  const count = elementCount(type.shape);
  if (count <= maxElements) return true;
  report(env.cx.diagnostics, "GM2019", span, { shape: showShape(type.shape), count });
  return false;
}

/** Deeper expressions would exhaust the stack of what reads them. */
const maxDepth = 400;

/** Reports GM2023 where an expression nests too deep, as a long `repeat` makes it. */
export function notTooDeep(env: Pick<Env, "cx">, expr: Expr): Expr | undefined {
  if (factsOf(env.cx, expr).depth <= maxDepth) return expr;
  report(
    env.cx.diagnostics,
    "GM2023",
    expr.span,
    { problem: `the expression nests more than ${maxDepth} deep` },
    { help: ["bind parts of it to names: `h[l] = h[l-1] |> …` in a `for`"] },
  );
  return undefined;
}
