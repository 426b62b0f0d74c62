/**
 * Values known at compile time: hyperparameters, constants, indices and the arithmetic over them. A number remembers how it was
 * written (`28*28*C`), so that messages and generated comments can say it.
 */
import type { Label } from "../base/diagnostic.js";
import { assertNever } from "../base/internal-error.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { builtins } from "./builtins.js";
import type { Env } from "./env.js";
import { hasNoValue, type Placed } from "./no-value.js";
import { between } from "./range.js";
import { describe, type Entity } from "./scope.js";
import { dim, maxElements } from "./shapes.js";
import { staticFunctions } from "./static-functions.js";
import type { Dim, StaticValue } from "./types.js";
import { reportUnknownName } from "./unknown.js";
import { walkAst } from "./walk.js";

export type Static =
  | StaticNumber
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "list"; readonly items: readonly Static[]; readonly text: string };

export interface StaticNumber {
  readonly kind: "number";
  readonly value: number;
  readonly text: string;
}

/** Not known at compile time; nothing has been reported. */
export interface Dynamic {
  readonly kind: "dynamic";
  /** The part that is not static, and what it is: "a latent". */
  readonly span: Span;
  readonly what: string;
}

export function numberOf(value: number, text: string = showNumber(value)): StaticNumber {
  return { kind: "number", value, text };
}

/** Shortest text of a number: `1e-3` for 0.001. */
export function showNumber(value: number): string {
  return String(value);
}

/** The value of an expression known at compile time; `Dynamic` where it is not; undefined where an error has been reported. */
export function evaluateStatic(env: Env, expr: ast.Expr): Static | Dynamic | undefined {
  switch (expr.kind) {
    case "number":
      return numberOf(expr.value);
    case "boolean":
      return { kind: "boolean", value: expr.value };
    case "string":
      return { kind: "string", value: expr.value };
    case "name":
      return staticName(env, expr);
    case "list": {
      const items: Static[] = [];
      for (const item of expr.items) {
        const value = evaluateStatic(env, item);
        if (value === undefined || value.kind === "dynamic") return value;
        items.push(value);
      }
      return { kind: "list", items, text: `[${items.map(showStatic).join(", ")}]` };
    }
    case "unary": {
      const operand = evaluateStatic(env, expr.operand);
      if (operand === undefined || operand.kind === "dynamic") return operand;
      if (operand.kind !== "number") return wrongKind(env, expr.operand.span, "a number", operand);
      return numberOf(-operand.value, `-${grouped(operand.text, 3)}`);
    }
    case "binary": {
      if (expr.op === "@") return { kind: "dynamic", span: expr.span, what: "a matrix product" };
      const left = evaluateStatic(env, expr.left);
      if (left === undefined || left.kind === "dynamic") return left;
      const right = evaluateStatic(env, expr.right);
      if (right === undefined || right.kind === "dynamic") return right;
      if (left.kind !== "number") return wrongKind(env, expr.left.span, "a number", left);
      if (right.kind !== "number") return wrongKind(env, expr.right.span, "a number", right);
      return undefinedHere(env, expr, left, right) ? undefined : arithmetic(expr.op, left, right);
    }
    case "index":
      return staticIndex(env, expr);
    case "call": {
      const callee = expr.callee;
      const fn = callee.kind === "name" && env.scope.find(callee.name) === undefined ? staticFunctions.get(callee.name) : undefined;
      return fn ? fn(env, expr) : { kind: "dynamic", span: expr.span, what: "a call" };
    }
    case "pipe":
    case "blockCall":
    case "record":
    case "field":
    case "logDensity":
    case "binder":
      return { kind: "dynamic", span: expr.span, what: "computed when the model runs" };
    default:
      return assertNever(expr);
  }
}

function staticName(env: Env, expr: ast.NameExpr): Static | Dynamic | undefined {
  const entity = env.scope.find(expr.name);
  if (entity?.kind === "static") return entity.value;
  if (entity?.kind === "poison") return undefined;
  const later = entity ? undefined : env.scope.findLater(expr.name);
  return { kind: "dynamic", span: expr.span, what: entity ? whatIs(entity) : later ? "a value" : "unknown" };
}

/** With what was handed to a template under the name. */
const whatIs = (entity: Entity): string =>
  entity.kind === "block" ? `\`${textOf(entity.ast.span)}\`, ${describe(entity)}` : describe(entity);

/** As `evaluateStatic`, and what is not static is an error: `what` is what the value is for ("the size of a layer"). */
export function requireStatic(env: Env, expr: ast.Expr, what: string): Static | undefined {
  const value = evaluateStatic(env, expr);
  if (value === undefined) return undefined;
  if (value.kind !== "dynamic") return value;
  const unknown = nameAt(expr, value.span);
  // a value that is bound further down would not be known at compile time there either
  if (unknown !== undefined && env.scope.find(unknown.name) === undefined && env.scope.findLater(unknown.name)?.known !== false) {
    reportUnknownName(env, unknown.name, unknown.span, (e: Entity) => e.kind === "static");
    return undefined;
  }
  report(
    env.cx.diagnostics,
    "GM2017",
    value.span,
    { what },
    {
      label: unknown ? `\`${unknown.name}\` is ${value.what}` : value.what,
      help: ["use numbers, hyperparameters, constants and arithmetic over them"],
    },
  );
  return undefined;
}

export function requireNumber(env: Env, expr: ast.Expr, what: string): StaticNumber | undefined {
  const value = requireStatic(env, expr, what);
  if (value === undefined) return undefined;
  if (value.kind === "number") return value;
  return wrongKind(env, expr.span, "a number", value);
}

/** A whole number in `[min, max]`. */
export function requireInteger(env: Env, expr: ast.Expr, what: string, min = -maxElements, max = maxElements): StaticNumber | undefined {
  const value = requireNumber(env, expr, what);
  if (value === undefined) return undefined;
  if (Number.isInteger(value.value) && value.value >= min && value.value <= max) return value;
  outOfRange(env, expr, what, rangeOf(value.value, min, max), showStatic(value));
  return undefined;
}

/** Reports a value that cannot stand here, but once for each hyperparameter or constant that is no size itself: that is one mistake, wherever it stands. */
export function outOfRange(env: Env, expr: ast.Expr, what: string, expected: string, found: string, span: Span = expr.span): void {
  const named = namedIn(env, expr);
  const keys = named.filter(({ entity }) => !isSize(entity.value)).map(({ name }) => `value of ${name}`);
  if (keys.some((key) => env.cx.told.has(key))) return;
  for (const key of keys) env.cx.told.add(key);
  report(env.cx.diagnostics, "GM2018", span, { what, expected, found }, { labels: labelsOf(named) });
}

/** A number that is known when compiled, where it stands and as it is written: `D - 4`. */
export function constantAt(env: Env, expr: ast.Expr, { value, text }: Pick<Placed, "text"> & { readonly value: number }): Placed {
  return { span: expr.span, range: between(value, value, false), text, labels: labelsOf(namedIn(env, expr)) };
}

function labelsOf(named: readonly Named[]): readonly Label[] {
  return named.map(({ name, entity }) => ({
    span: entity.span,
    text: `\`${name}\` is ${showStatic(entity.value)}${entity.isSet ? ", by `--set` or gmc.config.json" : ""}`,
  }));
}

function isSize(value: Static): boolean {
  if (value.kind === "list") return value.items.every(isSize);
  return value.kind === "number" && Number.isInteger(value.value) && value.value >= 1 && value.value <= maxElements;
}

function rangeOf(value: number, min: number, max: number): string {
  if (max < maxElements) return `a whole number from ${min} to ${max}`;
  if (Number.isInteger(value) && value > max) return `at most ${maxElements} (2^31), the most entries that a tensor may have`;
  return min > -maxElements ? `a whole number of at least ${min}` : "a whole number";
}

type StaticEntity = Extract<Entity, { kind: "static" }>;

interface Named {
  readonly name: string;
  readonly entity: StaticEntity;
}

/** The hyperparameters and constants that an expression is made of. */
function namedIn(env: Env, expr: ast.Expr): readonly Named[] {
  const found = new Map<string, StaticEntity>();
  walkAst(expr, (e) => {
    const entity = e.kind === "name" ? env.scope.find(e.name) : undefined;
    if (e.kind === "name" && entity?.kind === "static" && (entity.what === "hyperparameter" || entity.what === "constant"))
      found.set(e.name, entity);
  });
  return [...found].map(([name, entity]) => ({ name, entity }));
}

/** A size: a whole number of at least 1. */
export function requireDim(env: Env, expr: ast.Expr, what: string): Dim | undefined {
  const value = requireInteger(env, expr, what, 1);
  return value && dim(value.value, value.text);
}

function wrongKind(env: Env, span: Span, expected: string, found: Static): undefined {
  const help = found.kind === "string" ? [`a name or a number has no quotes: \`${found.value}\``] : [];
  report(env.cx.diagnostics, "GM2028", span, { expected, found: kindOfStatic(found) }, { help });
  return undefined;
}

/** The functions of the builtin table that operators stand for. */
export const operators = { "+": "add", "-": "sub", "*": "mul", "/": "div", "^": "pow", "@": "matmul" } as const;

/** GM2018 for numbers of which an operator makes none: a division by 0. */
export function undefinedHere(env: Env, { op, left, right }: ast.BinaryExpr, a: StaticNumber, b: StaticNumber): boolean {
  return hasNoValue(env, builtins.get(operators[op]), [constantAt(env, left, a), constantAt(env, right, b)]);
}

export function arithmetic(op: ast.BinaryOp, a: StaticNumber, b: StaticNumber): StaticNumber {
  const compute = (): number => {
    switch (op) {
      case "+":
        return a.value + b.value;
      case "-":
        return a.value - b.value;
      case "*":
      case "@":
        return a.value * b.value;
      case "/":
        return a.value / b.value;
      case "^":
        return a.value ** b.value;
    }
  };
  const level = op === "+" || op === "-" ? 1 : op === "^" ? 4 : 2;
  const right = op === "-" || op === "/" ? level + 1 : level;
  const separator = level === 1 ? ` ${op} ` : op;
  return numberOf(compute(), `${grouped(a.text, op === "^" ? level + 1 : level)}${separator}${grouped(b.text, right)}`);
}

/** In brackets where the text binds looser than `level` (1 sum, 2 product, 3 sign, 4 power). */
export function grouped(text: string, level: number): string {
  const own = /[+-]/.test(text.slice(1).replaceAll(/e[+-]/g, "")) ? 1 : /[*/]/.test(text) ? 2 : text.startsWith("-") ? 3 : 5;
  return own < level ? `(${text})` : text;
}

function staticIndex(env: Env, expr: ast.IndexExpr): Static | Dynamic | undefined {
  const target = evaluateStatic(env, expr.target);
  if (target === undefined || target.kind === "dynamic") return target;
  if (target.kind !== "list") return wrongKind(env, expr.target.span, "a list", target);
  const [index, ...more] = expr.indices;
  if (index === undefined || index.kind === "range" || more.length > 0) {
    report(env.cx.diagnostics, "GM2039", expr.span, { what: "a list", expected: "one index", found: String(expr.indices.length) });
    return undefined;
  }
  const at = evaluateStatic(env, index);
  if (at === undefined || at.kind === "dynamic") return at;
  const item = at.kind === "number" ? target.items[at.value - 1] : undefined;
  if (item === undefined) {
    report(
      env.cx.diagnostics,
      "GM2020",
      index.span,
      { index: showStatic(at), list: target.text, length: target.items.length },
      {
        help: ["list indices count from 1"],
      },
    );
    return undefined;
  }
  const base = expr.target.kind === "name" ? expr.target.name : target.text;
  return item.kind === "number" ? numberOf(item.value, `${base}[${showStatic(at)}]`) : item;
}

/** A value given from outside, as by `--set`. */
export function staticFrom(value: StaticValue, text?: string): Static {
  if (typeof value === "number") return numberOf(value, text);
  if (typeof value === "boolean") return { kind: "boolean", value };
  return { kind: "list", items: value.map((v) => numberOf(v)), text: text ?? `[${value.join(", ")}]` };
}

/** For the IR; undefined for a text or a list of other things than numbers. */
export function toStaticValue(value: Static): StaticValue | undefined {
  switch (value.kind) {
    case "number":
    case "boolean":
      return value.value;
    case "string":
      return undefined;
    case "list": {
      const numbers = value.items.flatMap((item) => (item.kind === "number" ? [item.value] : []));
      return numbers.length === value.items.length ? numbers : undefined;
    }
  }
}

export function showStatic(value: Static): string {
  switch (value.kind) {
    case "number":
      return showNumber(value.value);
    case "boolean":
      return String(value.value);
    case "string":
      return JSON.stringify(value.value);
    case "list":
      return `[${value.items.map(showStatic).join(", ")}]`;
  }
}

export function kindOfStatic(value: Static): string {
  switch (value.kind) {
    case "number":
      return `the number ${showNumber(value.value)}`;
    case "boolean":
      return `the truth value ${value.value}`;
    case "string":
      return `the text ${JSON.stringify(value.value)}`;
    case "list":
      return `a list of ${value.items.length}`;
  }
}

function nameAt(expr: ast.Expr, span: Span): ast.NameExpr | undefined {
  switch (expr.kind) {
    case "name":
      return expr.span.start === span.start ? expr : undefined;
    case "unary":
      return nameAt(expr.operand, span);
    case "binary":
      return nameAt(expr.left, span) ?? nameAt(expr.right, span);
    case "list":
      return expr.items.map((item) => nameAt(item, span)).find((n) => n !== undefined);
    case "index":
      return (
        nameAt(expr.target, span) ??
        expr.indices.map((i) => (i.kind === "range" ? undefined : nameAt(i, span))).find((n) => n !== undefined)
      );
    default:
      return undefined;
  }
}
