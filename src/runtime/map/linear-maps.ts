/**
 * The weighted least-squares estimate of a location that is linear in weights, loc = offset + Σ features @ W[c] + Σ a[c] * features, by normal equations:
 * of products of vectors one set for each entry of the index, all columns of the event at once; of products entry by entry one for each entry of the
 * weights. Latents that are normal given the rest are averaged over: features and residuals then have deviations (the columns of a factor of the
 * latents' covariance, mapped), and E[φ φ^T] = φ φ^T + Σ dφ dφ^T.
 */
import {
  add,
  broadcastTo,
  cholesky,
  concat,
  expandDims,
  eye,
  grad,
  matmul,
  max,
  mul,
  ones,
  reshape,
  squeeze,
  sliceAxis,
  stack,
  stopGradient,
  sub,
  sum,
  take,
  transpose,
  triangularSolve,
  zeros,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { leaf } from "../graph/gradients.js";
import { broadcastShapes } from "../graph/shape.js";

/** A weight, times the features; where these are absent, by itself. */
export interface MapTerm {
  readonly path: string;
  /** The weight as the model sees it. */
  readonly of: Tensor;
  /** Picks what is multiplied: [..., F, D], or [..., D, F] of a transposed term; [..., ...event] without features, and of one `entrywise`. */
  readonly at: (weight: Tensor) => Tensor;
  /** [..., F]; of a term `entrywise`, what meets [..., ...event]. */
  readonly features?: Tensor;
  /** Deviations of the features, [n, ..., F]. */
  readonly spread?: Tensor;
  /** `a * z`; with others of its group that have no features, all of one shape. */
  readonly entrywise?: boolean;
  /** `W @ z`. */
  readonly transposed?: boolean;
  /** The term is subtracted. */
  readonly negative?: boolean;
}

export interface LinearMap {
  /** Terms that are estimated together. Groups come in turn, each given the others as they then are. */
  readonly groups: readonly (readonly MapTerm[])[];
  /** What is left of the location, [..., D]. */
  readonly offset?: TensorLike;
}

export interface FittedMap {
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly loc: Tensor;
  /** Of x - loc. */
  readonly spread: Tensor | undefined;
}

/**
 * Keeps the estimate this close to the weights before it, relative to the mean curvature: where the equations leave a weight open (features that are
 * collinear, an index that no row has) it stays, and the likelihood rises all the same.
 */
const PROXIMITY = 1e-6;

/**
 * `weights` [..., 1]: of rows, which products of vectors share among the entries; `precisions`: of all entries, with their noise, [..., ...event];
 * `spread`: deviations of x less the offset, [n, ..., ...event].
 */
export function fitMap(map: LinearMap, x: Tensor, weights: Tensor, precisions: Tensor, spread: Tensor | undefined): FittedMap {
  const found = new Map<string, Tensor>();
  const now = (t: MapTerm): Tensor => found.get(t.path) ?? t.of;
  const all = map.groups.flat();
  /** x, or its deviations, less all terms but those of a group. */
  const left = (group: readonly MapTerm[]): { readonly y: Tensor; readonly dy: Tensor | undefined } => {
    let y = sub(x, map.offset ?? 0);
    let dy = spread;
    for (const t of all) {
      if (group.includes(t)) continue;
      y = sub(y, partOf(t, now(t), t.features));
      if (t.spread) dy = sub(dy ?? 0, partOf(t, now(t), t.spread));
    }
    return { y, dy };
  };
  for (const group of map.groups) {
    const { y, dy } = left(group);
    const solved = group[0]?.entrywise ? solveEntries(group, y, dy, precisions) : solve(group, y, dy, weights);
    for (const [path, value] of Object.entries(solved)) found.set(path, value);
  }
  const { y, dy } = left([]);
  return { weights: Object.fromEntries(found), loc: sub(x, y), spread: dy };
}

/** What a term adds to the location at given features. */
function partOf(t: MapTerm, weight: Tensor, features: Tensor | undefined): Tensor {
  const picked = t.at(weight);
  const part = !features ? picked : t.entrywise ? mul(features, picked) : product(features, picked, t.transposed === true);
  return t.negative ? mul(-1, part) : part;
}

/** f @ W, or W @ f, of vectors f [..., F]. */
function product(features: Tensor, matrix: Tensor, transposed: boolean): Tensor {
  if (matrix.shape.length === 2) return matmul(features, matrix, { transposeB: transposed });
  return squeeze(matmul(expandDims(features, -2), matrix, { transposeB: transposed }), -2);
}

/** Of products of vectors: G = Σ w φ φ^T, for each entry of the index. */
function solve(group: readonly MapTerm[], y: Tensor, dy: Tensor | undefined, w: Tensor): Readonly<Record<string, Tensor>> {
  const features = joined(group.map((t) => signed(t, t.features ?? ones([1]))));
  const dFeatures = group.some((t) => t.spread)
    ? joined(group.map((t) => (t.spread ? signed(t, t.spread) : zeros([t.features?.shape.at(-1) ?? 1]))))
    : undefined;
  const rows = (amounts: Tensor, dAmounts: Tensor | undefined): Tensor =>
    concat(
      group.map((t) => {
        const own = gathered(t, t.features, w, amounts);
        return t.spread && dAmounts ? add(own, gathered(t, t.spread, w, dAmounts)) : own;
      }),
      -2,
    );
  const gram = rows(features, dFeatures);
  const before = concat(
    group.map((t) => asRows(t, t.of)),
    -2,
  );
  const solved = nearest(gram, rows(y, dy), before);
  let at = 0;
  return Object.fromEntries(
    group.map((t) => {
      const from = at;
      at += t.features?.shape.at(-1) ?? 1;
      const part = sliceAxis(solved, -2, from, at);
      return [t.path, t.features ? (t.transposed ? turned(part) : part) : squeeze(part, -2)];
    }),
  );
}

/** Of products entry by entry: G = Σ w φ φ^T for each entry of the weights, φ being what that entry meets, one number of each term. */
function solveEntries(group: readonly MapTerm[], y: Tensor, dy: Tensor | undefined, precisions: Tensor): Readonly<Record<string, Tensor>> {
  // what all of an event reads meets each of its entries
  const w = add(precisions, zeros(y.shape));
  const rank = group[0]?.of.shape.length ?? 0;
  const summed = (t: MapTerm, features: Tensor | undefined, amounts: Tensor): Tensor => {
    const entries = leaf(zeros(t.of.shape));
    const [found] = grad(sum(mul(partOf(t, entries, features), stopGradient(mul(w, amounts)))), [entries]);
    return found as Tensor;
  };
  const expected = (t: MapTerm, amounts: Tensor, dAmounts: Tensor | undefined): Tensor => {
    const own = summed(t, t.features, amounts);
    return t.spread && dAmounts ? add(own, summed(t, t.spread, dAmounts)) : own;
  };
  const right = stack(
    group.map((t) => expected(t, y, dy)),
    rank,
  );
  const gram = stack(
    group.map((t) =>
      stack(
        group.map((other) => expected(t, signed(other, other.features ?? ones([1])), other.spread && signed(other, other.spread))),
        rank,
      ),
    ),
    rank,
  );
  const before = stack(
    group.map((t) => t.of),
    rank,
  );
  const solved = squeeze(nearest(gram, expandDims(right, -1), expandDims(before, -1)), -1);
  return Object.fromEntries(group.map((t, i) => [t.path, take(solved, i, rank)]));
}

/** (G + e I) Θ = `right` + e Θ_before, twice: proximal steps, each of which lowers the squares. `gram` [..., P, P], `right` and `before` [..., P, D]. */
function nearest(gram: Tensor, right: Tensor, before: Tensor): Tensor {
  const size = gram.shape.at(-1) ?? 1;
  const trace = sum(mul(gram, eye(size)), [-2, -1]);
  const near = expandDims(expandDims(max(mul(PROXIMITY / size, trace), 1e-12), -1), -1);
  const factor = cholesky(add(gram, mul(near, eye(size))));
  const next = (from: Tensor): Tensor => triangularSolve(factor, triangularSolve(factor, add(right, mul(near, from))), { transpose: true });
  // the second leaves the square of the relative error of the first, and stays where that does
  return next(next(before));
}

function signed(t: MapTerm, features: Tensor): Tensor {
  return t.negative ? mul(-1, features) : features;
}

/** Σ over the places that read an entry: w features^T amounts, [..index, F, width of the amounts]. */
function gathered(t: MapTerm, features: Tensor | undefined, w: Tensor, amounts: Tensor): Tensor {
  const width = amounts.shape.at(-1) ?? 1;
  const shape = [...t.of.shape];
  shape[shape.length - (t.transposed ? 2 : 1)] = width;
  const entries = leaf(zeros(shape));
  const part = partOf(t, entries, features);
  const [found] = grad(sum(mul(part, stopGradient(mul(seenBy(w, [part, amounts]), amounts)))), [entries]);
  return asRows(t, found as Tensor);
}

/** Weights [..., 1] summed along the axes that no value has: deviations are often the same in all rows. */
function seenBy(w: Tensor, values: readonly Tensor[]): Tensor {
  const axes = w.shape.flatMap((n, axis) => {
    const back = w.shape.length - axis;
    return back > 1 && n > 1 && values.every((v) => (v.shape[v.shape.length - back] ?? 1) === 1) ? [axis] : [];
  });
  const kept = w.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
  return axes.length === 0 ? w : reshape(sum(w, axes), kept);
}

/** A weight in the form [..index, F, D]. */
function asRows(t: MapTerm, weight: Tensor): Tensor {
  return t.features ? (t.transposed ? turned(weight) : weight) : expandDims(weight, -2);
}

function turned(matrix: Tensor): Tensor {
  const rank = matrix.shape.length;
  return transpose(matrix, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]);
}

/** Vectors side by side, [..., P]. */
function joined(parts: readonly Tensor[]): Tensor {
  const lead = broadcastShapes(
    "features",
    parts.map((p) => p.shape.slice(0, -1)),
  );
  return concat(
    parts.map((p) => broadcastTo(p, [...lead, ...p.shape.slice(-1)])),
    lead.length,
  );
}
