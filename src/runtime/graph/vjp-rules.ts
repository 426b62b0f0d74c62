/**
 * The reverse-mode rule of every primitive: one total table. A rule takes the operands, the result and the result's cotangent and gives,
 * per operand, how to build that operand's cotangent, or null where it has none. Rules are written with operations, so they compose
 * with themselves: a gradient is staged like anything else and can be differentiated again.
 *
 * Not differentiable, by nature: sources and draws; integers and conditions; sign, floor and comparisons, whose derivative is zero
 * wherever it exists; argMax; stopGradient, by request. Their rule is `none`.
 */
import { GmcError } from "./errors.js";
import { replayBody, solveInOrder } from "./fixed-point.js";
import * as g from "./ops.js";
import { sameShape, sizeOf } from "./shape.js";
import { emit, type Tensor } from "./trace.js";
import type { NodeOf, Prim, PrimParams, Shape } from "./types.js";

/** Per operand: builds its cotangent, or null. Built only where it is needed. */
export type Cotangents = readonly ((() => Tensor) | null)[];

export interface VjpContext<P extends Prim> {
  readonly params: PrimParams[P];
  readonly inputs: readonly Tensor[];
  readonly out: Tensor;
  /** cotangent of `out`, of its shape */
  readonly ct: Tensor;
  /** of vjp.ts, for a rule that differentiates a graph of its own */
  readonly vjp: (outputs: readonly Tensor[], cotangents: readonly Tensor[], wrt: readonly Tensor[]) => Tensor[];
}

export type VjpRule<P extends Prim> = (context: VjpContext<P>) => Cotangents;

const none = (): Cotangents => [];

/** A cotangent brought to an operand of rank 0 that was stretched over the result. */
function fit(ct: Tensor, shape: Shape): Tensor {
  return sameShape(ct.shape, shape) ? ct : shape.length === 0 ? g.sum(ct) : g.broadcastTo(ct, shape);
}

const unary =
  <P extends Prim>(rule: (ct: Tensor, x: Tensor, y: Tensor, params: PrimParams[P]) => Tensor): VjpRule<P> =>
  ({ ct, inputs: [x], out, params }) => [() => rule(ct, x!, out, params)];

const binary =
  <P extends Prim>(
    left: (ct: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor,
    right: (ct: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor,
  ): VjpRule<P> =>
  ({ ct, inputs: [a, b], out }) => [() => fit(left(ct, a!, b!, out), a!.shape), () => fit(right(ct, a!, b!, out), b!.shape)];

/** Where the condition holds the cotangent goes to the first operand, else to the second. */
const choice =
  <P extends Prim>(first: (a: Tensor, b: Tensor) => Tensor): VjpRule<P> =>
  ({ ct, inputs: [a, b] }) => [() => fit(g.select(first(a!, b!), ct, 0), a!.shape), () => fit(g.select(first(a!, b!), 0, ct), b!.shape)];

/** dA and dB of A' B', where ' is the flagged transposition; b may be of rank 2 and shared by the batch. */
function matmulRule({ params: { transposeA: ta, transposeB: tb }, inputs: [a, b], ct }: VjpContext<"matmul">): Cotangents {
  const da = (): Tensor => {
    const plain = g.matmul(ct, b!, { transposeB: !tb });
    return ta ? g.matrixTranspose(plain) : plain;
  };
  const db = (): Tensor => {
    if (b!.shape.length === a!.shape.length)
      return tb ? g.matmul(ct, a!, { transposeA: true, transposeB: ta }) : g.matmul(a!, ct, { transposeA: !ta });
    const rows = (x: Tensor): Tensor => g.reshape(x, [-1, x.shape[x.shape.length - 1]!]);
    const [left, right] = [rows(ta ? g.matrixTranspose(a!) : a!), rows(ct)];
    return tb ? g.matmul(right, left, { transposeA: true }) : g.matmul(left, right, { transposeA: true });
  };
  return [da, db];
}

/**
 * Of x = f(x, c): a cotangent ct of x comes from c by u = ct + (∂f/∂x)^T u (implicit differentiation). The Jacobian is strictly triangular in the
 * order of entries, its transpose in the reverse order: u is a fixed point of the same kind.
 */
function fixedPointRule({ params: { body, places }, inputs, out, ct, vjp }: VjpContext<"fixedPoint">): Cotangents {
  let found: readonly (Tensor | undefined)[] | undefined;
  const solve = (): readonly (Tensor | undefined)[] => {
    const { value, x, captured } = replayBody(body, out, inputs);
    const last = places.length - 1;
    const u = solveInOrder(
      ct.shape,
      places.map((place) => last - place),
      (guess) => g.add(ct, vjp([value], [guess], [x])[0]!),
    );
    const floats = captured.filter((t) => t.dtype === "f32");
    const cotangents = vjp([value], [u], floats);
    return captured.map((t) => cotangents[floats.indexOf(t)]);
  };
  return inputs.map((input, i) => (input.dtype === "f32" ? () => (found ??= solve())[i]! : null));
}

/** Murray 2016, "Differentiation of the Cholesky decomposition", eq. 10: the symmetric form. */
function choleskyRule({ out: l, ct }: VjpContext<"cholesky">): Cotangents {
  return [
    () => {
      const product = g.lowerTriangle(g.matmul(l, ct, { transposeA: true }));
      const n = l.shape[l.shape.length - 1]!;
      const halved = g.mul(product, g.sub(1, g.mul(g.eye(n), 0.5)));
      // L^-T P L^-1, its right factor by solving with the transposed matrix
      const left = g.triangularSolve(l, halved, { transpose: true });
      const both = g.triangularSolve(l, g.matrixTranspose(left), { transpose: true });
      return g.mul(g.add(both, g.matrixTranspose(both)), 0.5);
    },
  ];
}

/** x = L^-1 b: db = L^-T ct, dL = -tril(db x^T); for the transposed system dL = -tril(x db^T). */
function triangularSolveRule({ params: { transpose }, inputs: [l], out: x, ct }: VjpContext<"triangularSolve">): Cotangents {
  const db = (): Tensor => g.triangularSolve(l!, ct, { transpose: !transpose });
  const dl = (): Tensor => {
    const d = db();
    return g.neg(g.lowerTriangle(transpose ? g.matmul(x, d, { transposeB: true }) : g.matmul(d, x, { transposeB: true })));
  };
  return [dl, db];
}

/** Both gradients run through the entries backwards; those of the weights come of one run. */
function nadeRule({ inputs, ct }: VjpContext<"nade">): Cotangents {
  let packed: Tensor | undefined;
  let from = 0;
  const weights = inputs.slice(1).map(({ shape }) => {
    const [start, stop] = [from, (from += sizeOf(shape))];
    return (): Tensor => {
      packed ??= emit("nadeGrad", [...inputs, ct], { of: "weights" });
      return g.reshape(g.sliceAxis(packed, 0, start, stop), shape);
    };
  });
  return [() => emit("nadeGrad", [...inputs, ct], { of: "x" }), ...weights];
}

function concatRule({ params: { axis }, inputs, ct }: VjpContext<"concat">): Cotangents {
  let from = 0;
  return inputs.map((x) => {
    const [start, stop] = [from, (from += x.shape[axis]!)];
    return () => g.sliceAxis(ct, axis, start, stop);
  });
}

function sliceRule({ params: { start, stride }, inputs: [x], out, ct }: VjpContext<"slice">): Cotangents {
  const last = (i: number): number => start[i]! + Math.max(0, out.shape[i]! - 1) * stride[i]! + Math.min(1, out.shape[i]!);
  const high = x!.shape.map((extent, i) => extent - last(i));
  const inside = stride.map((s) => s - 1);
  return [() => g.pad(ct, start, high, inside)];
}

function padRule({ params: { low, inside }, inputs: [x], ct }: VjpContext<"pad">): Cotangents {
  const stop = x!.shape.map((extent, i) => low[i]! + (extent === 0 ? 0 : (extent - 1) * (inside[i]! + 1) + 1));
  const stride = inside.map((n) => n + 1);
  return [() => (stop.includes(0) ? g.zeros(x!.shape) : g.slice(ct, low, stop, stride))];
}

function broadcastRule({ inputs: [x], out, ct }: VjpContext<"broadcast">): Cotangents {
  const fresh = out.shape.length - x!.shape.length;
  const axes = [...out.shape.keys()].filter((i) => i < fresh || (x!.shape[i - fresh] === 1 && out.shape[i] !== 1));
  return [() => g.reshape(g.sum(ct, axes), x!.shape)];
}

/** The share of each entry that equals the largest: ties divide it evenly. */
function reduceMaxRule({ params: { axes }, inputs: [x], out, ct }: VjpContext<"reduceMax">): Cotangents {
  return [
    () => {
      const hits = g.cast(g.equal(x!, g.keepDims(out, x!.shape, axes)), "f32");
      const count = g.sum(hits, axes);
      return g.mul(hits, g.keepDims(g.div(ct, count), x!.shape, axes));
    },
  ];
}

/** a^(b - 1) b, with 0 for b = 0 whatever a; a^b log(a), with 0 for a = 0. */
const powRule = binary<"pow">(
  (ct, a, b) => g.mul(ct, g.mul(b, g.pow(a, g.select(g.equal(b, 0), 1, g.sub(b, 1))))),
  (ct, a, _b, y) => g.mul(ct, g.mul(y, g.log(g.select(g.equal(a, 0), 1, a)))),
);

const rootPi = Math.sqrt(Math.PI);

const vjpRules: { readonly [P in Prim]: VjpRule<P> } = {
  input: none,
  state: none,
  constant: none,
  iota: none,
  random: none,
  randomCounts: none,

  neg: unary((ct) => g.neg(ct)),
  abs: unary((ct, x) => g.mul(ct, g.sign(x))),
  sign: none,
  floor: none,
  exp: unary((ct, _x, y) => g.mul(ct, y)),
  log: unary((ct, x) => g.div(ct, x)),
  log1p: unary((ct, x) => g.div(ct, g.add(x, 1))),
  expm1: unary((ct, _x, y) => g.mul(ct, g.add(y, 1))),
  sqrt: unary((ct, _x, y) => g.div(g.mul(ct, 0.5), y)),
  sin: unary((ct, x) => g.mul(ct, g.cos(x))),
  cos: unary((ct, x) => g.neg(g.mul(ct, g.sin(x)))),
  tanh: unary((ct, _x, y) => g.mul(ct, g.sub(1, g.mul(y, y)))),
  sigmoid: unary((ct, _x, y) => g.mul(ct, g.mul(y, g.sub(1, y)))),
  softplus: unary((ct, x) => g.mul(ct, g.sigmoid(x))),
  erf: unary((ct, x) => g.mul(ct, g.mul(g.exp(g.neg(g.mul(x, x))), 2 / rootPi))),
  lgamma: unary((ct, x) => g.mul(ct, g.digamma(x))),
  polygamma: unary<"polygamma">((ct, x, _y, { order }) => g.mul(ct, g.polygamma(order + 1, x))),
  add: binary(
    (ct) => ct,
    (ct) => ct,
  ),
  sub: binary(
    (ct) => ct,
    (ct) => g.neg(ct),
  ),
  mul: binary(
    (ct, _a, b) => g.mul(ct, b),
    (ct, a) => g.mul(ct, a),
  ),
  div: binary(
    (ct, _a, b) => g.div(ct, b),
    (ct, _a, b, y) => g.neg(g.div(g.mul(ct, y), b)),
  ),
  pow: powRule,
  // Ties go to the second operand, so that max(x, 0) has gradient 0 at 0.
  max: choice((a, b) => g.less(b, a)),
  min: choice((a, b) => g.less(a, b)),
  lt: none,
  le: none,
  eq: none,
  and: none,
  or: none,
  not: none,
  select: ({ inputs: [c, a, b], ct }) => [null, () => fit(g.select(c!, ct, 0), a!.shape), () => fit(g.select(c!, 0, ct), b!.shape)],
  cast: none,
  stopGradient: none,

  reshape: unary((ct, x) => g.reshape(ct, x.shape)),
  transpose: unary<"transpose">((ct, _x, _y, { perm }) =>
    g.transpose(
      ct,
      perm.map((_, axis) => perm.indexOf(axis)),
    ),
  ),
  broadcast: broadcastRule,
  slice: sliceRule,
  pad: padRule,
  concat: concatRule,
  reverse: unary<"reverse">((ct, _x, _y, { axes }) => g.reverse(ct, axes)),
  gather: ({ params: { axis }, inputs: [x, indices], ct }) => [() => g.scatterAdd(ct, indices!, axis, x!.shape[axis]!), null],
  scatterAdd: ({ params: { axis }, inputs: [, indices], ct }) => [() => g.take(ct, indices!, axis), null],
  dynamicSlice: ({ params: { axis }, inputs: [x, index], ct }) => [() => g.dynamicUpdateSlice(g.zeros(x!.shape), ct, index!, axis), null],
  dynamicUpdateSlice: ({ params: { axis }, inputs: [, update, index], ct }) => [
    () => g.dynamicUpdateSlice(ct, g.zeros(update!.shape), index!, axis),
    () => g.dynamicSlice(ct, index!, axis, update!.shape[axis]!),
    null,
  ],

  reduceSum: unary<"reduceSum">((ct, x, _y, { axes }) => g.broadcastTo(g.keepDims(ct, x.shape, axes), x.shape)),
  reduceMax: reduceMaxRule,
  argMax: none,
  cumsum: unary<"cumsum">((ct, _x, _y, { axis, reverse }) => g.cumsum(ct, axis, !reverse)),

  matmul: matmulRule,
  conv: ({ params, inputs: [x, w], ct }) => [
    () => emit("convInputGrad", [ct, w!], { ...params, inputShape: x!.shape }),
    () => emit("convFilterGrad", [x!, ct], { ...params, filterShape: w!.shape }),
  ],
  convInputGrad: ({ params: { inputShape: _, ...params }, inputs: [dy, w], ct }) => [
    () => emit("conv", [ct, w!], params),
    () => emit("convFilterGrad", [ct, dy!], { ...params, filterShape: w!.shape }),
  ],
  convFilterGrad: ({ params: { filterShape: _, ...params }, inputs: [x, dy], ct }) => [
    () => emit("convInputGrad", [dy!, ct], { ...params, inputShape: x!.shape }),
    () => emit("conv", [x!, ct], params),
  ],
  nade: nadeRule,
  nadeGrad: () => {
    throw new GmcError("GM4909", "a second derivative of nade is asked for, and it has a first one only", [
      "write the layer with cumsum, which costs memory for entries times hidden units, or leave it out of what is differentiated twice",
    ]);
  },
  fixedPoint: fixedPointRule,
  cholesky: choleskyRule,
  triangularSolve: triangularSolveRule,
};

/** The rule of a node applied. */
export function cotangentsOf<P extends Prim>(
  node: NodeOf<P>,
  inputs: readonly Tensor[],
  out: Tensor,
  ct: Tensor,
  vjp: VjpContext<P>["vjp"],
): Cotangents {
  const rule: VjpRule<P> = vjpRules[node.prim];
  return rule({ params: node.params, inputs, out, ct, vjp });
}
