/**
 * What is known of matrices: triangular with a positive diagonal (a Cholesky factor), symmetric and positive definite (a covariance). Found by
 * structure, so a matrix that is one may not be known to be.
 */
import { isNonNegative, isPositive, type Range } from "./range.js";
import type { Expr } from "./types.js";

export interface MatrixFacts {
  /** Zeros above its diagonal. */
  readonly lower: boolean;
  /** Zeros above and below it. */
  readonly diagonal: boolean;
  /** The entries on its diagonal are above zero. */
  readonly positiveDiagonal: boolean;
  readonly definite: boolean;
  readonly semidefinite: boolean;
}

export const noMatrix: MatrixFacts = { lower: false, diagonal: false, positiveDiagonal: false, definite: false, semidefinite: false };

/** What is known of an argument: its interval, and it as a matrix. */
interface Known {
  readonly range: Range;
  readonly matrix: MatrixFacts;
}

/** A lower triangular matrix with a positive diagonal. */
export function isFactor(known: Known): boolean {
  return known.matrix.lower && hasPositiveDiagonal(known);
}

/** Of a call of a function of the table. */
export function matrixOf(expr: Extract<Expr, { kind: "builtin" }>, args: readonly Known[]): MatrixFacts {
  const [a, b] = args;
  switch (expr.fn) {
    case "eye":
      return { lower: true, diagonal: true, positiveDiagonal: true, definite: true, semidefinite: true };
    case "cholesky":
    case "cholesky_factor":
      return { ...noMatrix, lower: true, positiveDiagonal: true };
    case "tril":
      return a ? { ...noMatrix, lower: true, diagonal: a.matrix.diagonal, positiveDiagonal: hasPositiveDiagonal(a) } : noMatrix;
    case "stop":
      return a?.matrix ?? noMatrix;
    case "take":
    case "index":
      return a && keepsMatrix(expr) ? a.matrix : noMatrix;
    case "add":
      return a && b && sameRank(expr) ? sumOf(a, b) : noMatrix;
    case "mul":
    case "div":
      return a && b ? scaled(expr, a, b) : noMatrix;
    case "matmul":
      return a && b ? productOf(expr, a, b) : noMatrix;
    default:
      return noMatrix;
  }
}

function hasPositiveDiagonal({ range, matrix }: Known): boolean {
  return matrix.positiveDiagonal || matrix.definite || isPositive(range);
}

function hasNonNegativeDiagonal(known: Known): boolean {
  return hasPositiveDiagonal(known) || known.matrix.semidefinite || isNonNegative(known.range);
}

function sumOf(a: Known, b: Known): MatrixFacts {
  const semidefinite = a.matrix.semidefinite && b.matrix.semidefinite;
  const [one, other] = hasPositiveDiagonal(a) ? [a, b] : [b, a];
  return {
    lower: a.matrix.lower && b.matrix.lower,
    diagonal: a.matrix.diagonal && b.matrix.diagonal,
    positiveDiagonal: hasPositiveDiagonal(one) && hasNonNegativeDiagonal(other),
    definite: semidefinite && (a.matrix.definite || b.matrix.definite),
    semidefinite,
  };
}

/** A matrix times, or over, something positive, entry by entry. */
function scaled(expr: Extract<Expr, { kind: "builtin" }>, a: Known, b: Known): MatrixFacts {
  const [matrix, factor, by] = a.matrix === noMatrix && expr.fn === "mul" ? [b, a, expr.args[0]] : [a, b, expr.args[1]];
  const positive = isPositive(factor.range);
  const { lower, diagonal } = matrix.matrix;
  const positiveDiagonal = positive && hasPositiveDiagonal(matrix);
  const uniform = by?.type.kind === "tensor" && by.type.shape.length === 0;
  return {
    lower,
    diagonal,
    positiveDiagonal,
    definite: positiveDiagonal && (diagonal || (uniform && matrix.matrix.definite)),
    semidefinite:
      (diagonal && hasNonNegativeDiagonal(matrix) && isNonNegative(factor.range)) || (positive && uniform && matrix.matrix.semidefinite),
  };
}

/** A A^T and A^T A; the product of two factors. */
function productOf(expr: Extract<Expr, { kind: "builtin" }>, a: Known, b: Known): MatrixFacts {
  const [left, right] = expr.args;
  const square = left !== undefined && right !== undefined && (isTransposeOf(left, right) || isTransposeOf(right, left));
  const factors = isFactor(a) && isFactor(b);
  const ofFactor = square && (isFactor(a) || isFactor(b));
  return {
    lower: a.matrix.lower && b.matrix.lower,
    diagonal: a.matrix.diagonal && b.matrix.diagonal,
    positiveDiagonal: factors || ofFactor,
    definite: ofFactor,
    semidefinite: square,
  };
}

function isTransposeOf(e: Expr, of: Expr): boolean {
  if (e.kind !== "builtin" || e.fn !== "transpose" || !e.args[0] || of.type.kind !== "tensor" || of.type.shape.length < 2) return false;
  const order = e.options["order"] as readonly number[] | undefined;
  const swaps = order === undefined || (order.at(-1) === -2 && order.at(-2) === -1);
  return swaps && isSame(e.args[0], of);
}

/** Certainly the same value: the same names and functions of them, none of which draws. */
function isSame(a: Expr, b: Expr): boolean {
  if (a.kind === "local" && b.kind === "local") return a.local.id === b.local.id && !a.sample && !b.sample;
  if (a.kind === "param" && b.kind === "param") return a.param === b.param;
  if (a.kind === "variable" && b.kind === "variable") return a.variable === b.variable && !a.sample && !b.sample;
  if (a.kind === "field" && b.kind === "field") return a.field === b.field && isSame(a.target, b.target);
  return (
    a.kind === "builtin" &&
    b.kind === "builtin" &&
    a.fn === b.fn &&
    a.args.length === b.args.length &&
    JSON.stringify(a.options) === JSON.stringify(b.options) &&
    a.args.every((arg, i) => {
      const other = b.args[i];
      return other !== undefined && isSame(arg, other);
    })
  );
}

/** Both are matrices: a vector would be repeated over the rows. */
function sameRank(expr: Extract<Expr, { kind: "builtin" }>): boolean {
  return expr.args.every((arg) => arg.type.kind === "tensor" && arg.type.shape.length >= 2);
}

/** What is looked up along a leading axis leaves the last two as they are. */
function keepsMatrix(expr: Extract<Expr, { kind: "builtin" }>): boolean {
  const [table] = expr.args;
  const rank = table?.type.kind === "tensor" ? table.type.shape.length : 0;
  return expr.fn === "take" ? rank >= 3 : (expr.options["axis"] as number) < -2;
}
