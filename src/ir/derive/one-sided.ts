/**
 * Functions of one number u that are c |u|^d on either side of 0, each side with its own c: `abs(u)`, `relu(u)`, `u^2`, `sqrt(u^2) / u`. Of degree 0 and
 * with two values such a function is a step, though nothing in it is: `abs(u) / u` is `sign(u)`.
 */
import { sameExpr } from "../same-expr.js";
import type { Expr } from "../types.js";

interface OneSided {
  /** u; undefined of a constant. */
  readonly of: Expr | undefined;
  readonly degree: number;
  readonly above: number;
  readonly below: number;
}

/** Is it a step at 0 of some u? `meant`: what a name stands for, if it is known. */
export function isHiddenStep(expr: Expr, meant: (expr: Expr) => Expr | undefined): boolean {
  const form = oneSided(expr, meant);
  return form?.of !== undefined && form.degree === 0 && form.above !== form.below;
}

function oneSided(expr: Expr, meant: (expr: Expr) => Expr | undefined): OneSided | undefined {
  const e = meant(expr) ?? expr;
  if (e.kind === "number") return { of: undefined, degree: 0, above: e.value, below: e.value };
  const itself: OneSided = { of: e, degree: 1, above: 1, below: -1 };
  return (e.kind === "builtin" ? combined(e, meant) : undefined) ?? itself;
}

function combined(e: Extract<Expr, { kind: "builtin" }>, meant: (expr: Expr) => Expr | undefined): OneSided | undefined {
  if (e.fn === "where") return chosenSides(e, meant);
  const [a, b] = e.args.map((arg) => oneSided(arg, meant));
  if (!a) return undefined;
  const each = (f: (c: number) => number, degree = a.degree): OneSided | undefined =>
    checked({ ...a, degree, above: f(a.above), below: f(a.below) });
  const both = (f: (x: number, y: number) => number, degree: number): OneSided | undefined =>
    b && together(a, b) ? checked({ of: a.of ?? b.of, degree, above: f(a.above, b.above), below: f(a.below, b.below) }) : undefined;
  const alike = b !== undefined && (a.degree === b.degree || isZero(a) || isZero(b));
  const degree = b && isZero(a) ? b.degree : a.degree;
  switch (e.fn) {
    case "neg":
      return each((c) => -c);
    case "abs":
      return each(Math.abs);
    case "norm":
      // of one number: it has no axes to sum over
      return isNumber(e.args[0]) ? each(Math.abs) : undefined;
    case "relu":
      return each((c) => Math.max(c, 0));
    case "square":
      return each((c) => c * c, 2 * a.degree);
    case "sqrt":
      return each(Math.sqrt, a.degree / 2);
    case "mul":
      return b && both((x, y) => x * y, a.degree + b.degree);
    case "div":
      return b && both((x, y) => x / y, a.degree - b.degree);
    case "pow":
      return b?.of === undefined && b?.degree === 0 ? each((c) => c ** b.above, a.degree * b.above) : undefined;
    case "maximum":
      return alike ? both(Math.max, degree) : undefined;
    case "minimum":
      return alike ? both(Math.min, degree) : undefined;
    case "add":
      return alike ? both((x, y) => x + y, degree) : undefined;
    case "sub":
      return alike ? both((x, y) => x - y, degree) : undefined;
    default:
      return undefined;
  }
}

const ORDERS: Readonly<Record<string, (x: number, y: number) => boolean>> = {
  greater: (x, y) => x > y,
  greater_equal: (x, y) => x >= y,
  less: (x, y) => x < y,
  less_equal: (x, y) => x <= y,
};

/** `where(greater(u, 0), u, 0)`: on each side the branch that its condition takes there. */
function chosenSides(e: Extract<Expr, { kind: "builtin" }>, meant: (expr: Expr) => Expr | undefined): OneSided | undefined {
  const [condition, first, second] = e.args;
  const asked = condition && (meant(condition) ?? condition);
  const holds = asked?.kind === "builtin" ? ORDERS[asked.fn] : undefined;
  if (asked?.kind !== "builtin" || !holds || !first || !second) return undefined;
  const [p, q] = asked.args.map((arg) => oneSided(arg, meant));
  const [a, b] = [oneSided(first, meant), oneSided(second, meant)];
  if (!p || !q || !a || !b) return undefined;
  // numbers of one power of |u| are in the order of their factors
  const comparable = ([x, y]: readonly [OneSided, OneSided]): boolean => x.degree === y.degree || isZero(x) || isZero(y);
  const forms = [p, q, a, b];
  if (!comparable([p, q]) || !comparable([a, b]) || !forms.every((x) => forms.every((y) => together(x, y)))) return undefined;
  return checked({
    of: forms.find((f) => f.of !== undefined)?.of,
    degree: isZero(a) ? b.degree : a.degree,
    above: (holds(p.above, q.above) ? a : b).above,
    below: (holds(p.below, q.below) ? a : b).below,
  });
}

/** One u, or a constant among them. */
function together(a: OneSided, b: OneSided): boolean {
  return a.of === undefined || b.of === undefined || sameExpr(a.of, b.of);
}

const isZero = ({ above, below }: OneSided): boolean => above === 0 && below === 0;

function checked(form: OneSided): OneSided | undefined {
  return Number.isFinite(form.above) && Number.isFinite(form.below) && Number.isFinite(form.degree) ? form : undefined;
}

function isNumber(expr: Expr | undefined): boolean {
  return expr?.type.kind === "tensor" && expr.type.shape.every((d) => d.size === 1);
}
