/**
 * Linear-Gaussian models: latents h and what is drawn from them, each a normal whose location is affine in h and whose noise does not depend on it.
 * With every conditional as |r + R^T h|^2 / 2, its residual whitened, h given the rest is normal with precision Λ = Σ R R^T = L L^T and mean
 * -Λ^-1 Σ R r, whatever their graph: one latent and one child (factor analysis), several, chains. Bishop 2006, eqs. 2.113 to 2.117.
 */
import {
  add,
  broadcastTo,
  cholesky,
  concat,
  div,
  expandDims,
  eye,
  lift,
  matmul,
  neg,
  randomNormal,
  reshape,
  sizeOf,
  sliceAxis,
  sub,
  transpose,
  triangularSolve,
  zeros,
} from "../graph/index.js";
import type { DrawShape, Key, Shape, Tensor, TensorLike } from "../graph/index.js";
import { broadcastShapes } from "../graph/shape.js";
import { lastExtent, logDeterminant, matrixVector, solveLower } from "./linear.js";
import { choleskyFactorOf } from "./multivariate-normal.js";
import { HALF_LOG_2PI } from "./numeric.js";

/** One conditional: of a latent by its name, or of a value [..., ...shape]. */
export interface AffineNormal {
  readonly of: string | TensorLike;
  readonly shape: Shape;
  /** Where all latents are 0: [..., ...shape]. */
  readonly loc: TensorLike;
  /** What each entry of a latent adds to the location: [n, ..., ...shape] for a latent of n entries. */
  readonly slopes?: Readonly<Record<string, Tensor>>;
  /** Standard deviations; or of a vector whose entries are correlated its covariance or the lower factor of it. */
  readonly scale?: TensorLike;
  readonly scaleTril?: Tensor;
  readonly covariance?: Tensor;
}

export interface GaussianPosterior<L extends string = string> {
  /** By latent: [..., ...shape]. */
  readonly mean: Readonly<Record<L, Tensor>>;
  /** The log of the integral of exp(-h^T Λ h / 2): what the log-joint at the mean, its maximum, and this add up to is the log-marginal. */
  readonly logVolume: Tensor;
  /**
   * The columns of a factor of the covariance, as many as entries in all: [n, ..., ...shape] of each latent, with `rank` axes between. The sum of their
   * squares is the variance.
   */
  readonly deviations: (rank: number) => Readonly<Record<L, Tensor>>;
  /** All latents together; `lead` are the axes before those of a draw. */
  readonly sample: (key: Key, lead: DrawShape) => Readonly<Record<L, Tensor>>;
}

/** `latents`: their event shapes, by name. Every conditional that reads one of them, and those of the latents themselves. */
export function gaussianPosterior<L extends string>(
  latents: Readonly<Record<L, Shape>>,
  conditionals: readonly AffineNormal[],
): GaussianPosterior<L> {
  const whitened = conditionals.map((c) => whiten(latents, c));
  const precision = whitened.map(({ rows }) => matmul(rows, rows, { transposeB: true })).reduce((a, b) => add(a, b));
  const slope = whitened.map(({ rows, residual }) => matrixVector(rows, residual)).reduce((a, b) => add(a, b));
  const factor = cholesky(precision);
  const size = lastExtent(factor);
  const mean = neg(solveLower(factor, solveLower(factor, slope), { transpose: true }));
  return {
    mean: split(latents, mean),
    logVolume: sub(size * HALF_LOG_2PI, logDeterminant(factor)),
    // Λ^-1 = (L^-1)^T L^-1 is the sum over the rows of L^-1
    deviations: (rank) => split(latents, rowsFirst(withLead(triangularSolve(factor, eye(size)), rank))),
    sample: (key, lead) => split(latents, add(mean, solveLower(factor, randomNormal(key, [...lead, size]), { transpose: true }))),
  };
}

/** The entries of each latent of a vector of all, [..., n]. */
function split<L extends string>(latents: Readonly<Record<L, Shape>>, all: Tensor): Readonly<Record<L, Tensor>> {
  let at = 0;
  return Object.fromEntries(
    Object.entries<Shape>(latents).map(([name, shape]) => {
      const from = at;
      at += sizeOf(shape);
      return [name, reshape(sliceAxis(all, -1, from, at), [...all.shape.slice(0, -1), ...shape])];
    }),
  ) as Record<L, Tensor>;
}

/** A matrix with `rank` leading axes, 1 where it has none. */
function withLead(matrix: Tensor, rank: number): Tensor {
  const missing = Math.max(0, rank - (matrix.shape.length - 2));
  return missing === 0 ? matrix : reshape(matrix, [...new Array<number>(missing).fill(1), ...matrix.shape]);
}

/** [..., n, m] -> [n, ..., m] */
function rowsFirst(matrix: Tensor): Tensor {
  const rank = matrix.shape.length;
  return transpose(matrix, [rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1]);
}

/** The whitened residual of a conditional where the latents are 0, [..., E], and its slopes in all their entries, [..., n, E]. */
function whiten(latents: Readonly<Record<string, Shape>>, c: AffineNormal): { readonly rows: Tensor; readonly residual: Tensor } {
  const own = typeof c.of === "string" ? c.of : undefined;
  const loc = flat(c.loc, c.shape);
  const difference = typeof c.of === "string" ? neg(loc) : sub(flat(c.of, c.shape), loc);
  const E = sizeOf(c.shape);
  const blocks = Object.entries(latents).map(([name, shape]) => {
    const found = c.slopes?.[name];
    const slope = found && neg(withoutOnes(axisToEvent(flat(found, c.shape)), 2));
    if (name === own) return slope ? add(eye(E), slope) : eye(E);
    return slope ?? zeros([sizeOf(shape), E]);
  });
  const rows = joined(blocks);
  if (c.scale !== undefined) {
    const scale = withoutOnes(flat(c.scale, c.shape), 1);
    return { rows: div(rows, expandDims(scale, -2)), residual: div(difference, scale) };
  }
  const { scaleTril, covariance } = c;
  const params = scaleTril ? { loc, scaleTril } : { loc, covariance: covariance ?? eye(E) };
  const factor = withoutOnes(choleskyFactorOf(params), 2);
  return { rows: turned(triangularSolve(factor, turned(rows))), residual: solveLower(factor, difference) };
}

/** [..., ...shape] -> [..., E], the axes of the event that a parameter lacks filled in. */
function flat(x: TensorLike, shape: Shape): Tensor {
  const t = lift(x);
  const whole = broadcastTo(t, broadcastShapes("a normal conditional", [t.shape, shape]));
  return reshape(whole, [...whole.shape.slice(0, whole.shape.length - shape.length), sizeOf(shape)]);
}

/** Without leading axes where all of them have extent 1: one factor then serves all rows. */
function withoutOnes(x: Tensor, rank: number): Tensor {
  const lead = x.shape.slice(0, x.shape.length - rank);
  return lead.length > 0 && lead.every((n) => n === 1) ? reshape(x, x.shape.slice(lead.length)) : x;
}

/** Blocks [..., n, E] below each other. */
function joined(blocks: readonly Tensor[]): Tensor {
  const [only] = blocks;
  if (only && blocks.length === 1) return only;
  const lead = broadcastShapes(
    "slopes of latents",
    blocks.map((b) => b.shape.slice(0, -2)),
  );
  return concat(
    blocks.map((b) => broadcastTo(b, [...lead, ...b.shape.slice(-2)])),
    lead.length,
  );
}

function turned(matrix: Tensor): Tensor {
  const rank = matrix.shape.length;
  return transpose(matrix, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]);
}

/** [n, ..., E] -> [..., n, E] */
function axisToEvent(x: Tensor): Tensor {
  const rank = x.shape.length;
  return transpose(x, [...Array.from({ length: rank - 2 }, (_, i) => i + 1), 0, rank - 1]);
}
