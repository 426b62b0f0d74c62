/**
 * Sylvester flow (van den Berg et al. 2018): x = z + Q R tanh(S Q^T z + b), Q [D, M] with orthonormal columns, R and S [M, M] upper triangular. By
 * Sylvester's identity det = Π (1 + tanh'_i R_ii S_ii), eq. 11, which is positive where R_ii S_ii > -1 (theorem 2): both diagonals are tanh of
 * free numbers. Q is a product of Householder reflections (section 4.2), or the identity with M = D (section 4.3), between layers of which
 * entries are to be permuted. There is no closed form from x to z. Weights may carry leading axes, where a net of the data gives them.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  div,
  expandDims,
  eye,
  log,
  matrixTranspose,
  max,
  mul,
  reshape,
  sizeOf,
  sliceAxis,
  square,
  squeeze,
  sub,
  sum,
  tanh,
  upperTriangle,
} from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { init } from "../nn/init.js";
import { layerSpec, leaf } from "../nn/spec.js";
import type { LayerSpec } from "../nn/spec.js";
import { diagonal, matrixVector, vectorMatrix } from "../prob/linear.js";
import { leadOf, noDirection, perExample } from "./bijector.js";
import type { Bijector, EventOptions } from "./bijector.js";

/** r and s [M, M]: raw, entries below the diagonal are not read; b [M]; v [reflections, D], absent where Q is the identity. */
export interface Sylvester {
  readonly r: Tensor;
  readonly s: Tensor;
  readonly b: Tensor;
  readonly v?: Tensor;
}

export interface SylvesterOptions {
  /** Default: householder. */
  readonly orthogonal?: "householder" | "triangular";
  /** Number of Householder reflections; default M. */
  readonly reflections?: number;
}

/** A product of two diagonals stays above -1 by it, also in float32. */
const MARGIN = 1e-6;

function triangular(raw: Tensor): { readonly matrix: Tensor; readonly diagonal: Tensor } {
  const size = raw.shape.at(-1)!;
  const on = mul(Math.sqrt(1 - MARGIN), tanh(diagonal(raw)));
  return { matrix: add(upperTriangle(raw, 1), mul(eye(size), expandDims(on, -1))), diagonal: on };
}

/** The first `columns` columns of the product of the reflections I - 2 v v^T / |v|^2, [..., D, columns]. */
function reflected(v: Tensor, columns: number): Tensor {
  const [count, size] = [v.shape.at(-2)!, v.shape.at(-1)!];
  let q = sliceAxis(eye(size), 1, 0, columns);
  for (let k = count - 1; k >= 0; k--) {
    const row = squeeze(sliceAxis(v, -2, k, k + 1), -2);
    const twice = div(mul(2, vectorMatrix(row, q)), expandDims(max(sum(square(row), -1), 1e-20), -1));
    q = sub(q, mul(expandDims(row, -1), expandDims(twice, -2)));
  }
  return q;
}

/** An event of any shape counts as one vector. */
export function sylvester(w: Sylvester, { event }: EventOptions): Bijector {
  const size = sizeOf(event);
  return {
    forward: (value) => {
      const lead = leadOf("sylvester", value, event);
      const z = reshape(value, [...lead, size]);
      const q = w.v === undefined ? undefined : reflected(w.v, w.b.shape.at(-1)!);
      const [r, s] = [triangular(w.r), triangular(w.s)];
      const inner = q === undefined ? z : matrixVector(matrixTranspose(q), z);
      const h = tanh(add(matrixVector(s.matrix, inner), w.b));
      const moved = matrixVector(r.matrix, h);
      const squared = square(h);
      // 1 + (1 - h^2) R_ii S_ii, without cancellation
      const det = add(squared, mul(sub(1, squared), add(1, mul(r.diagonal, s.diagonal))));
      return {
        value: reshape(add(z, q === undefined ? moved : matrixVector(q, moved)), value.shape),
        logDet: perExample(sum(log(det), -1), lead),
      };
    },
    inverse: noDirection("sylvester", "inverse", "invert it, where densities of x are needed and samples are not"),
    directions: { forward: "closed", inverse: "none" },
  };
}

/** M: the rank of the change, 1 to D. GM4021 where it is none. */
sylvester.spec = (event: Shape, m: number, options: SylvesterOptions = {}): LayerSpec<Sylvester> => {
  const size = sizeOf(event);
  const { orthogonal = "householder", reflections = m } = options;
  if (!Number.isInteger(m) || m < 1 || m > size || (orthogonal === "triangular" && m !== size)) {
    const range =
      orthogonal === "triangular" ? `${size}, the size of the event,` : `a whole number from 1 to ${size}, the size of the event,`;
    throw new GmcError("GM4021", `sylvester: m is ${range} where Q is ${orthogonal}, found ${m}`);
  }
  if (!Number.isInteger(reflections) || reflections < 1)
    throw new GmcError("GM4021", `sylvester: ${reflections} is no number of reflections`);
  return layerSpec("sylvester", {
    r: leaf([m, m], init.normal(0, 0.1)),
    s: leaf([m, m], init.normal(0, 0.1)),
    b: leaf([m], init.zeros),
    ...(orthogonal === "householder" ? { v: leaf([reflections, size], init.normal(0, 1)) } : {}),
  });
};
