/**
 * Derived expressions in the form in which they are read: a product of powers in which what cancels is gone, `b + W @ h / 2` for
 * `2 * (b / s / s) / (2 * (1 / s / s)) + W @ h / s^2 / (2 * (1 / s / s))`. Their value is the same, their shape may be one that is repeated to the
 * former. For people to read: what divides is taken not to be 0.
 */
import { sameExpr } from "../same-expr.js";
import { broadcastShapes, shapeOf } from "../shapes.js";
import type { Expr } from "../types.js";
import { builtin, followed, isOne, isZero, minus, number, plus, rebuilt } from "./algebra.js";
import type { DeriveContext } from "../derive/context.js";

interface Product {
  coefficient: number;
  readonly powers: { readonly of: Expr; power: number }[];
}

export function simplified(context: DeriveContext, expr: Expr): Expr {
  const visit = followed(context, (e): Expr => {
    if (e.kind === "number" && e.text === undefined) return number(rounded(e.value), e);
    if (e.kind !== "builtin") return e;
    const args = e.args.map(visit);
    const [a, b] = args;
    if (a && b && (e.fn === "add" || e.fn === "sub")) {
      if (isZero(b)) return a;
      if (isZero(a) && e.fn === "add") return b;
      return e.fn === "add" ? joined(a, b) : minus(a, b);
    }
    if (PRODUCTS.has(e.fn)) return written(productOf({ ...e, args }), e);
    return args.every((x, i) => x === e.args[i]) ? e : rebuilt(e, args);
  });
  return visit(expr);
}

/** a + b, the parts of b one after the other. */
function joined(a: Expr, b: Expr): Expr {
  const [c, d] = b.kind === "builtin" ? b.args : [];
  if (b.kind !== "builtin" || !c || !d || (b.fn !== "add" && b.fn !== "sub")) return plus(a, b);
  return b.fn === "add" ? joined(joined(a, c), d) : minus(joined(a, c), d);
}

const PRODUCTS: ReadonlySet<string> = new Set(["mul", "div", "neg", "pow", "square"]);

/** Numbers and powers whose product is `e`. */
function productOf(e: Expr): Product {
  const product: Product = { coefficient: 1, powers: [] };
  const take = (x: Expr, power: number): void => {
    // a hyperparameter is read by its name
    if (x.kind === "number" && /\p{L}/u.test(x.text ?? "") && x.value !== 0) keep(x, power);
    else if (isZero(x) && power > 0) product.coefficient = 0;
    else if (isOne(x)) return;
    else if (x.kind === "number" && x.value !== 0) product.coefficient *= x.value ** power;
    else {
      const [a, b] = x.kind === "builtin" ? x.args : [];
      const fn = x.kind === "builtin" ? x.fn : "";
      const exponent = fn === "square" ? 2 : fn === "pow" && b?.kind === "number" ? b.value : NaN;
      if (a && b && (fn === "mul" || fn === "div")) {
        take(a, power);
        take(b, fn === "mul" ? power : -power);
      } else if (a && fn === "neg") {
        product.coefficient *= (-1) ** power;
        take(a, power);
      } else if (a && Number.isInteger(exponent) && exponent !== 0) {
        // the square of a product is read as one
        if (a.kind === "builtin" && PRODUCTS.has(a.fn)) keep(a, power * exponent);
        else take(a, power * exponent);
      } else keep(x, power);
    }
  };
  const keep = (of: Expr, power: number): void => {
    const known = product.powers.find((p) => sameExpr(p.of, of));
    if (known) known.power += power;
    else product.powers.push({ of, power });
  };
  take(e, 1);
  return product;
}

/** Without what rounding left of a product of decimals, 0.36 for 0.6 * 0.6. */
const rounded = (x: number): number => Number(x.toPrecision(12));

function written({ coefficient: product, powers }: Product, like: Expr): Expr {
  const coefficient = rounded(product);
  if (coefficient === 0) return number(0, like);
  const size = Math.abs(coefficient);
  const divisor = rounded(1 / size);
  const below = size < 1 && Number.isInteger(divisor);
  const part = (sign: 1 | -1, factor: number): Expr | undefined =>
    [
      ...(factor === 1 ? [] : [number(factor, like)]),
      ...powers.filter((p) => p.power * sign > 0).map((p) => raised(p.of, Math.abs(p.power))),
    ].reduce<Expr | undefined>((a, b) => (a ? entrywise("mul", a, b) : b), undefined);
  const over = part(1, below ? 1 : size) ?? number(1, like);
  const under = part(-1, below ? divisor : 1);
  const quotient = under ? entrywise("div", over, under) : over;
  if (coefficient > 0) return quotient;
  return quotient.kind === "number" ? number(-quotient.value, like) : builtin("neg", [quotient], shapeOf(quotient), like);
}

function raised(base: Expr, power: number): Expr {
  return power === 1 ? base : builtin("pow", [base, number(power, base)], shapeOf(base), base);
}

function entrywise(fn: "mul" | "div", a: Expr, b: Expr): Expr {
  return builtin(fn, [a, b], broadcastShapes(shapeOf(a), shapeOf(b)) ?? shapeOf(a), a);
}
