/**
 * A bijection that a model writes out itself: its two functions, and the structure of its Jacobian, from which the log-determinant follows by
 * reverse-mode derivatives of the forward function.
 *
 * - elementwise: one pass gives all ∂x_i/∂z_i;
 * - triangular in some order: one pass for each level of entries that do not read one another;
 * - rankOne, x = F(z, s(z)) with F elementwise: det = Π d_i (1 + Σ (∂F_i/∂s)(∂s/∂z_i)/d_i), d_i = ∂F_i/∂z_i (matrix determinant lemma);
 * - linear and dense: all of the Jacobian, one pass for each entry; |det| by Gram-Schmidt, without pivots, as the product of the lengths.
 */
import { GmcError } from "../graph/errors.js";
import {
  abs,
  add,
  broadcastTo,
  constant,
  div,
  expandDims,
  eye,
  log,
  maximum,
  mul,
  reshape,
  sliceAxis,
  sqrt,
  squeeze,
  stack,
  sub,
  sum,
  transpose,
} from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { leaf } from "../graph/gradients.js";
import { sizeOf } from "../graph/shape.js";
import { vjp } from "../graph/vjp.js";
import { sumLast } from "../graph/last-axes.js";
import { leadOf, noDirection, perExample, type Bijector, type EventOptions } from "./bijector.js";

/** Places of entries in the event, in C order: `outputs[k]` of x is paired with `inputs[k]` of z. */
export interface Level {
  readonly outputs: readonly number[];
  readonly inputs: readonly number[];
}

export type Jacobian =
  | { readonly kind: "elementwise" }
  /** Entries of a level read, besides their own inputs, those of earlier levels alone. */
  | { readonly kind: "triangular"; readonly levels: readonly Level[] }
  /** `scalar` z -> [...leading]; `rest` (z, s of z's shape) -> x, entry by entry. */
  | { readonly kind: "rankOne"; readonly scalar: (z: Tensor) => Tensor; readonly rest: (z: Tensor, s: Tensor) => Tensor }
  /** `perRow` where what is closed over, such as a condition, may differ from row to row; else one matrix stands for all. */
  | { readonly kind: "linear"; readonly perRow?: boolean }
  | { readonly kind: "dense" };

export interface OwnFlowOptions extends EventOptions {
  readonly forward: (z: Tensor) => Tensor;
  readonly inverse?: (x: Tensor) => Tensor;
  readonly jacobian: Jacobian;
}

/** Largest event whose whole Jacobian is taken. */
const MOST_ENTRIES = 32;

export function ownFlow({ event, forward, inverse, jacobian }: OwnFlowOptions): Bijector {
  const logDet = (z: Tensor): Tensor => {
    // staging undoes `log(exp(x))`: a derivative in what another step, or the inverse, has made would miss what goes by it
    const at = leaf(z);
    return perExample(logAbsDet(at, forward(at), event, forward, jacobian), leadOf("flow", z, event));
  };
  const back =
    inverse === undefined
      ? noDirection("this flow", "inverse", "give its `inverse(x) = …`")
      : (x: Tensor) => {
          const z = inverse(x);
          return { value: z, logDet: mul(-1, logDet(z)) };
        };
  return {
    forward: (z) => ({ value: forward(z), logDet: logDet(z) }),
    inverse: back,
    directions: { forward: "closed", inverse: inverse === undefined ? "none" : "closed" },
  };
}

function logAbsDet(z: Tensor, x: Tensor, event: Shape, forward: (z: Tensor) => Tensor, jacobian: Jacobian): Tensor {
  const total = (t: Tensor): Tensor => sumLast(log(abs(t)), event.length);
  switch (jacobian.kind) {
    case "elementwise":
      return total(derivative(x, z));
    case "triangular": {
      const mask = (places: readonly number[]): Tensor =>
        constant(
          Array.from({ length: sizeOf(event) }, (_, i) => Number(places.includes(i))),
          event,
        );
      const parts = jacobian.levels.map(({ outputs, inputs }) => mul(derivative(mul(x, mask(outputs)), z), mask(inputs)));
      return total(parts.reduce((a, b) => add(a, b)));
    }
    case "rankOne": {
      const s = jacobian.scalar(z);
      const wide = broadcastTo(lifted(s, event.length), z.shape);
      const value = jacobian.rest(z, wide);
      const [own, through] = vjp([value], [constant(1, value.shape)], [z, wide]);
      // `own` alone holds what passes by s: `wide` stands between
      const direct = sub(own!, viaScalar(s, sumLast(through!, event.length), z));
      const slope = derivative(s, z);
      const factor = add(1, sumLast(div(mul(through!, slope), direct), event.length));
      return add(total(direct), log(abs(factor)));
    }
    case "linear": {
      const n = sizeOf(event);
      const lead = leadOf("flow", z, event);
      const per = jacobian.perRow === true ? lead : [];
      const units = reshape(eye(n), [n, ...per.map(() => 1), ...event]);
      const rows = sub(forward(broadcastTo(units, [n, ...per, ...event])), forward(constant(0, [1, ...per, ...event])));
      const order = [...per.map((_, i) => i + 1), 0, per.length + 1];
      const matrix = transpose(reshape(rows, [n, ...per, n]), order);
      return broadcastTo(gramSchmidt(matrix, "linear"), lead);
    }
    case "dense": {
      const lead = leadOf("flow", z, event);
      const n = sizeOf(event);
      const flat = reshape(x, [...lead, n]);
      const rows = Array.from({ length: Math.min(n, MOST_ENTRIES + 1) }, (_, i) =>
        reshape(derivative(squeeze(sliceAxis(flat, -1, i, i + 1), -1), z), [...lead, n]),
      );
      return gramSchmidt(stack(rows, -2), "dense");
    }
  }
}

/** Gradient of the sum of all entries. */
function derivative(of: Tensor, z: Tensor): Tensor {
  return vjp([of], [constant(1, of.shape)], [z])[0]!;
}

/** What a cotangent of s gives in z. */
function viaScalar(s: Tensor, cotangent: Tensor, z: Tensor): Tensor {
  return vjp([s], [cotangent], [z])[0]!;
}

function lifted(s: Tensor, rank: number): Tensor {
  let out = s;
  for (let i = 0; i < rank; i++) out = expandDims(out, -1);
  return out;
}

/** log |det| of matrices [..., n, n]: the product of what is left of each row once those before it are projected out. */
function gramSchmidt(matrix: Tensor, what: string): Tensor {
  const n = matrix.shape.at(-1)!;
  if (n > MOST_ENTRIES)
    throw new GmcError("GM4021", `a ${what} Jacobian is taken of at most ${MOST_ENTRIES} entries, and the event has ${n}`);
  const basis: Tensor[] = [];
  let total: Tensor | undefined;
  for (let i = 0; i < n; i++) {
    let row = squeeze(sliceAxis(matrix, -2, i, i + 1), -2);
    for (const unit of basis) row = sub(row, mul(unit, expandDims(sum(mul(row, unit), -1), -1)));
    const length = sqrt(sum(mul(row, row), -1));
    // a row of nothing has no direction: its log is minus infinity, and so is the sum
    basis.push(div(row, expandDims(maximum(length, 1e-30), -1)));
    total = total === undefined ? log(length) : add(total, log(length));
  }
  return total!;
}
