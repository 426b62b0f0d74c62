/**
 * The shape and dtype rule of every primitive: one total table, used by staging and by `verify`.
 * A rule takes the parameters and the operands' types and gives the result's type; operands that do not fit are a GmcError.
 * Sources (input, state, constant, iota, random) state their own type, so their rule checks what is declared.
 */
import { dropAxes, dtypeError, sameShape, shapeError, showShape, sizeOf, tryBroadcastShapes } from "./shape.js";
import type { ConvParams, DType, Prim, PrimParams, Shape } from "./types.js";

export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

export type ShapeRule<P extends Prim> = (params: PrimParams[P], inputs: readonly ValueType[], declared: ValueType | undefined) => ValueType;

const at = (inputs: readonly ValueType[], i: number): ValueType => {
  const input = inputs[i];
  if (input === undefined) throw shapeError(`operand ${i + 1} is missing`);
  return input;
};

function declaredType(declared: ValueType | undefined): ValueType {
  if (declared === undefined) throw shapeError("a source states its own shape and dtype");
  return declared;
}

function need(what: string, type: ValueType, ...allowed: readonly DType[]): void {
  if (!allowed.includes(type.dtype)) {
    throw dtypeError(`${what} takes ${allowed.join(" or ")}, not ${type.dtype}`, ["Convert it with cast(x, …)."]);
  }
}

/** Equal shapes, except that any operand may be of rank 0. */
function elementwiseShape(what: string, inputs: readonly ValueType[]): Shape {
  let shape: Shape = [];
  for (const input of inputs) {
    if (input.shape.length === 0) continue;
    if (shape.length > 0 && !sameShape(shape, input.shape))
      throw shapeError(`${what}: shapes ${showShape(shape)} and ${showShape(input.shape)} differ`);
    shape = input.shape;
  }
  return shape;
}

function sameDType(what: string, inputs: readonly ValueType[]): DType {
  const dtype = at(inputs, 0).dtype;
  for (const input of inputs) {
    if (input.dtype !== dtype) throw dtypeError(`${what}: dtypes ${dtype} and ${input.dtype} differ`, ["Convert one with cast(x, …)."]);
  }
  return dtype;
}

const float =
  (what: string) =>
  (_params: unknown, inputs: readonly ValueType[]): ValueType => {
    for (const input of inputs) need(what, input, "f32");
    return { shape: elementwiseShape(what, inputs), dtype: "f32" };
  };

const numeric =
  (what: string, ...allowed: readonly DType[]) =>
  (_params: unknown, inputs: readonly ValueType[]): ValueType => {
    const dtype = sameDType(what, inputs);
    need(what, at(inputs, 0), ...(allowed.length > 0 ? allowed : (["f32", "i32", "u32"] as const)));
    return { shape: elementwiseShape(what, inputs), dtype };
  };

const comparison =
  (what: string, ...allowed: readonly DType[]) =>
  (_params: unknown, inputs: readonly ValueType[]): ValueType => {
    sameDType(what, inputs);
    need(what, at(inputs, 0), "f32", "i32", "u32", ...allowed);
    return { shape: elementwiseShape(what, inputs), dtype: "bool" };
  };

const logical =
  (what: string) =>
  (_params: unknown, inputs: readonly ValueType[]): ValueType => {
    for (const input of inputs) need(what, input, "bool");
    return { shape: elementwiseShape(what, inputs), dtype: "bool" };
  };

function axisExtent(what: string, shape: Shape, axis: number): number {
  const extent = shape[axis];
  if (extent === undefined) throw shapeError(`${what}: axis ${axis} does not exist in ${showShape(shape)}`);
  return extent;
}

function reduced(what: string, shape: Shape, axes: readonly number[]): number[] {
  for (let i = 0; i < axes.length; i++) {
    axisExtent(what, shape, axes[i]!);
    if (i > 0 && axes[i - 1]! >= axes[i]!) throw shapeError(`${what}: axes [${axes.join(", ")}] are not ascending`);
  }
  return dropAxes(shape, axes);
}

/** Extent of a convolution's output along one spatial axis. */
export function convExtent(input: number, window: number, stride: number, padding: readonly [number, number], dilation: number): number {
  return Math.floor((input + padding[0] + padding[1] - dilation * (window - 1) - 1) / stride) + 1;
}

/** Output shape of `conv` of `x` with `w`. */
export function convShape(params: ConvParams, x: Shape, w: Shape): number[] {
  const spatial = w.length - 2;
  const said = `a window ${showShape(w)} on ${showShape(x)}`;
  if (spatial < 1 || spatial > 2 || x.length !== spatial + 2)
    throw shapeError(`conv: ${said}: x is [N, ...spatial, Cin] with 1 or 2 spatial axes`);
  if (params.stride.length !== spatial || params.padding.length !== spatial || params.dilation.length !== spatial) {
    throw shapeError(`conv: stride, padding and dilation need ${spatial} entries`);
  }
  const cin = x[spatial + 1]!;
  const cout = w[spatial + 1]!;
  if (cin !== w[spatial]! * params.groups || cout % params.groups !== 0) {
    throw shapeError(`conv: ${said} in ${params.groups} group(s): the channels do not fit`);
  }
  const out: number[] = [x[0]!];
  for (let i = 0; i < spatial; i++) {
    const extent = convExtent(x[i + 1]!, w[i]!, params.stride[i]!, params.padding[i]!, params.dilation[i]!);
    if (extent < 1) throw shapeError(`conv: ${said}: the window is larger than the padded input`);
    out.push(extent);
  }
  out.push(cout);
  return out;
}

function matmulShape(params: PrimParams["matmul"], a: Shape, b: Shape): number[] {
  const said = (): string => `${showShape(a)}${params.transposeA ? "^T" : ""} @ ${showShape(b)}${params.transposeB ? "^T" : ""}`;
  if (a.length < 2 || b.length < 2) throw shapeError(`matmul: ${said()}: operands have at least two axes`);
  const batch = a.slice(0, -2);
  if (b.length !== 2 && !sameShape(batch, b.slice(0, -2))) throw shapeError(`matmul: ${said()}: the batch axes differ`);
  const [ar, ac] = [a[a.length - 2]!, a[a.length - 1]!];
  const [br, bc] = [b[b.length - 2]!, b[b.length - 1]!];
  const [m, k] = params.transposeA ? [ac, ar] : [ar, ac];
  const [k2, n] = params.transposeB ? [bc, br] : [br, bc];
  if (k !== k2) throw shapeError(`matmul: ${said()}: the inner extents ${k} and ${k2} differ`);
  return [...batch, m, n];
}

function nadeExtents(what: string, inputs: readonly ValueType[]): { n: number; d: number; h: number; o: number } {
  const [x, inward, bias, outward] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 3)];
  for (const input of inputs) need(what, input, "f32");
  const [[n = 0, d = 0], [, h = 0], [, o = 0]] = [x.shape, inward.shape, outward.shape];
  const fits = x.shape.length === 2 && sameShape(inward.shape, [d, h]) && sameShape(bias.shape, [h]) && sameShape(outward.shape, [d, o, h]);
  if (!fits) {
    const shapes = [x, inward, bias, outward].map(({ shape }) => showShape(shape)).join(", ");
    throw shapeError(`${what}: ${shapes} do not fit: it takes x [N, D], inward [D, H], bias [H], outward [D, O, H]`);
  }
  return { n, d, h, o };
}

function scalarIndex(what: string, index: ValueType): void {
  if (index.shape.length !== 0 || index.dtype !== "i32")
    throw shapeError(`${what}: the index is an i32 scalar, not ${index.dtype} ${showShape(index.shape)}`);
}

type ShapeRules = { readonly [P in Prim]: ShapeRule<P> };

const shapeRules: ShapeRules = {
  input: (_params, _inputs, declared) => declaredType(declared),
  state: (_params, _inputs, declared) => declaredType(declared),
  constant: ({ values }, _inputs, declared) => {
    const type = declaredType(declared);
    if (values.length !== 1 && values.length !== sizeOf(type.shape)) {
      throw shapeError(`constant: ${values.length} values do not fill ${showShape(type.shape)}`);
    }
    return type;
  },
  iota: ({ axis }, _inputs, declared) => {
    const type = declaredType(declared);
    axisExtent("iota", type.shape, axis);
    need("iota", type, "f32", "i32", "u32");
    return type;
  },
  random: ({ kind, rowAxis }, inputs, declared) => {
    const type = declaredType(declared);
    const rng = at(inputs, 0);
    if (rng.dtype !== "u32" || !sameShape(rng.shape, [4])) throw shapeError("random: the state is u32 [4]");
    if (inputs.length > 1) scalarIndex("random", at(inputs, 1));
    if (rowAxis !== null) axisExtent("random", type.shape, rowAxis);
    return { shape: type.shape, dtype: kind === "bits" ? "u32" : "f32" };
  },

  randomCounts: ({ rowAxis }, inputs) => {
    const [probs, total, rng] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    need("randomCounts", probs, "f32");
    need("randomCounts", total, "f32");
    if (probs.shape.length === 0 || !sameShape(probs.shape.slice(0, -1), total.shape))
      throw shapeError(`randomCounts: totals ${showShape(total.shape)} do not fit probabilities ${showShape(probs.shape)}`);
    if (rng.dtype !== "u32" || !sameShape(rng.shape, [4])) throw shapeError("randomCounts: the state is u32 [4]");
    if (inputs.length > 3) scalarIndex("randomCounts", at(inputs, 3));
    if (rowAxis !== null) axisExtent("randomCounts", total.shape, rowAxis);
    return { shape: probs.shape, dtype: "f32" };
  },

  neg: numeric("neg"),
  abs: numeric("abs"),
  sign: numeric("sign"),
  floor: float("floor"),
  exp: float("exp"),
  log: float("log"),
  log1p: float("log1p"),
  expm1: float("expm1"),
  sqrt: float("sqrt"),
  sin: float("sin"),
  cos: float("cos"),
  tanh: float("tanh"),
  sigmoid: float("sigmoid"),
  softplus: float("softplus"),
  erf: float("erf"),
  lgamma: float("lgamma"),
  polygamma: float("polygamma"),
  add: numeric("add"),
  sub: numeric("sub"),
  mul: numeric("mul"),
  div: numeric("div"),
  pow: float("pow"),
  max: numeric("max"),
  min: numeric("min"),
  lt: comparison("lt"),
  le: comparison("le"),
  eq: comparison("eq", "bool"),
  and: logical("and"),
  or: logical("or"),
  not: logical("not"),
  select: (_params, inputs) => {
    need("select's condition", at(inputs, 0), "bool");
    const dtype = sameDType("select", inputs.slice(1));
    return { shape: elementwiseShape("select", inputs), dtype };
  },
  cast: ({ to }, inputs) => ({ shape: at(inputs, 0).shape, dtype: to }),
  stopGradient: (_params, inputs) => at(inputs, 0),

  reshape: ({ shape }, inputs) => {
    const x = at(inputs, 0);
    if (sizeOf(shape) !== sizeOf(x.shape))
      throw shapeError(`reshape: ${showShape(x.shape)} has ${sizeOf(x.shape)} elements, ${showShape(shape)} has ${sizeOf(shape)}`);
    return { shape, dtype: x.dtype };
  },
  transpose: ({ perm }, inputs) => {
    const x = at(inputs, 0);
    const seen = new Set(perm);
    if (perm.length !== x.shape.length || seen.size !== perm.length || perm.some((p) => p < 0 || p >= perm.length)) {
      throw shapeError(`transpose: [${perm.join(", ")}] is not a permutation of the axes of ${showShape(x.shape)}`);
    }
    return { shape: perm.map((p) => x.shape[p]!), dtype: x.dtype };
  },
  broadcast: ({ shape }, inputs) => {
    const x = at(inputs, 0);
    const common = tryBroadcastShapes([x.shape, shape]);
    if (common === undefined || !sameShape(common, shape))
      throw shapeError(`broadcast: ${showShape(x.shape)} does not stretch to ${showShape(shape)}`);
    return { shape, dtype: x.dtype };
  },
  slice: ({ start, stop, stride }, inputs) => {
    const x = at(inputs, 0);
    if (start.length !== x.shape.length || stop.length !== x.shape.length || stride.length !== x.shape.length) {
      throw shapeError(`slice: start, stop and stride need ${x.shape.length} entries`);
    }
    const shape = x.shape.map((extent, i) => {
      const [from, to, step] = [start[i]!, stop[i]!, stride[i]!];
      if (from < 0 || to > extent || from > to || step < 1)
        throw shapeError(`slice: ${from}:${to}:${step} does not lie in axis ${i} of ${showShape(x.shape)}`);
      return Math.ceil((to - from) / step);
    });
    return { shape, dtype: x.dtype };
  },
  pad: ({ low, high, inside }, inputs) => {
    const x = at(inputs, 0);
    if (low.length !== x.shape.length || high.length !== x.shape.length || inside.length !== x.shape.length) {
      throw shapeError(`pad: low, high and inside need ${x.shape.length} entries`);
    }
    const shape = x.shape.map((extent, i) => {
      if (low[i]! < 0 || high[i]! < 0 || inside[i]! < 0) throw shapeError("pad: widths are not negative");
      return low[i]! + extent + Math.max(0, extent - 1) * inside[i]! + high[i]!;
    });
    return { shape, dtype: x.dtype };
  },
  concat: ({ axis }, inputs) => {
    const first = at(inputs, 0);
    axisExtent("concat", first.shape, axis);
    const dtype = sameDType("concat", inputs);
    let extent = 0;
    for (const { shape } of inputs) {
      if (shape.length !== first.shape.length || shape.some((n, i) => i !== axis && n !== first.shape[i])) {
        throw shapeError(`concat: ${showShape(first.shape)} and ${showShape(shape)} differ outside axis ${axis}`);
      }
      extent += shape[axis]!;
    }
    return { shape: first.shape.map((n, i) => (i === axis ? extent : n)), dtype };
  },
  reverse: ({ axes }, inputs) => {
    const x = at(inputs, 0);
    for (const axis of axes) axisExtent("reverse", x.shape, axis);
    return x;
  },
  gather: ({ axis }, inputs) => {
    const x = at(inputs, 0);
    const indices = at(inputs, 1);
    axisExtent("gather", x.shape, axis);
    need("gather's indices", indices, "i32");
    return { shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], dtype: x.dtype };
  },
  scatterAdd: ({ axis, size }, inputs) => {
    const updates = at(inputs, 0);
    const indices = at(inputs, 1);
    need("scatterAdd", updates, "f32", "i32", "u32");
    need("scatterAdd's indices", indices, "i32");
    const rank = indices.shape.length;
    if (!sameShape(updates.shape.slice(axis, axis + rank), indices.shape)) {
      throw shapeError(
        `scatterAdd: updates ${showShape(updates.shape)} do not hold the indices' shape ${showShape(indices.shape)} from axis ${axis} on`,
      );
    }
    return { shape: [...updates.shape.slice(0, axis), size, ...updates.shape.slice(axis + rank)], dtype: updates.dtype };
  },
  dynamicSlice: ({ axis, size }, inputs) => {
    const x = at(inputs, 0);
    scalarIndex("dynamicSlice", at(inputs, 1));
    if (axisExtent("dynamicSlice", x.shape, axis) < size)
      throw shapeError(`dynamicSlice: ${size} entries do not fit in axis ${axis} of ${showShape(x.shape)}`);
    return { shape: x.shape.map((n, i) => (i === axis ? size : n)), dtype: x.dtype };
  },
  dynamicUpdateSlice: ({ axis }, inputs) => {
    const x = at(inputs, 0);
    const update = at(inputs, 1);
    sameDType("dynamicUpdateSlice", inputs.slice(0, 2));
    scalarIndex("dynamicUpdateSlice", at(inputs, 2));
    axisExtent("dynamicUpdateSlice", x.shape, axis);
    const fits = update.shape.length === x.shape.length && update.shape.every((n, i) => (i === axis ? n <= x.shape[i]! : n === x.shape[i]));
    if (!fits) throw shapeError(`dynamicUpdateSlice: ${showShape(update.shape)} does not fit in ${showShape(x.shape)} along axis ${axis}`);
    return x;
  },

  reduceSum: ({ axes }, inputs) => {
    const x = at(inputs, 0);
    need("reduceSum", x, "f32", "i32", "u32");
    return { shape: reduced("reduceSum", x.shape, axes), dtype: x.dtype };
  },
  reduceMax: ({ axes }, inputs) => {
    const x = at(inputs, 0);
    need("reduceMax", x, "f32", "i32", "u32");
    if (axes.some((axis) => x.shape[axis] === 0)) throw shapeError(`reduceMax: nothing to compare in ${showShape(x.shape)}`);
    return { shape: reduced("reduceMax", x.shape, axes), dtype: x.dtype };
  },
  argMax: ({ axis }, inputs) => {
    const x = at(inputs, 0);
    need("argMax", x, "f32", "i32", "u32");
    if (axisExtent("argMax", x.shape, axis) === 0) throw shapeError(`argMax: nothing to compare in ${showShape(x.shape)}`);
    return { shape: dropAxes(x.shape, [axis]), dtype: "i32" };
  },
  cumsum: ({ axis }, inputs) => {
    const x = at(inputs, 0);
    need("cumsum", x, "f32", "i32", "u32");
    axisExtent("cumsum", x.shape, axis);
    return x;
  },

  matmul: (params, inputs) => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    need("matmul", a, "f32");
    need("matmul", b, "f32");
    return { shape: matmulShape(params, a.shape, b.shape), dtype: "f32" };
  },
  conv: (params, inputs) => {
    const [x, w] = [at(inputs, 0), at(inputs, 1)];
    need("conv", x, "f32");
    need("conv", w, "f32");
    return { shape: convShape(params, x.shape, w.shape), dtype: "f32" };
  },
  convInputGrad: (params, inputs) => {
    const [dy, w] = [at(inputs, 0), at(inputs, 1)];
    const expected = convShape(params, params.inputShape, w.shape);
    if (!sameShape(expected, dy.shape))
      throw shapeError(`convInputGrad: dy is ${showShape(dy.shape)}, the convolution gives ${showShape(expected)}`);
    return { shape: params.inputShape, dtype: "f32" };
  },
  convFilterGrad: (params, inputs) => {
    const [x, dy] = [at(inputs, 0), at(inputs, 1)];
    const expected = convShape(params, x.shape, params.filterShape);
    if (!sameShape(expected, dy.shape))
      throw shapeError(`convFilterGrad: dy is ${showShape(dy.shape)}, the convolution gives ${showShape(expected)}`);
    return { shape: params.filterShape, dtype: "f32" };
  },
  nade: (_params, inputs) => {
    const { n, d, o } = nadeExtents("nade", inputs);
    return { shape: [n, d, o], dtype: "f32" };
  },
  nadeGrad: ({ of }, inputs) => {
    const { n, d, h, o } = nadeExtents("nadeGrad", inputs);
    const dy = at(inputs, 4);
    if (!sameShape(dy.shape, [n, d, o])) throw shapeError(`nadeGrad: dy is ${showShape(dy.shape)}, the result ${showShape([n, d, o])}`);
    return { shape: of === "x" ? [n, d] : [d * h + h + d * o * h], dtype: "f32" };
  },
  fixedPoint: ({ body, places }, inputs) => {
    const x = body.nodes[body.outputs["x"] ?? -1];
    const size = x?.shape.at(-1);
    if (
      x === undefined ||
      size !== places.length ||
      !sameShape(
        [...places].sort((a, b) => a - b),
        [...places.keys()],
      )
    )
      throw shapeError(`fixedPoint: ${places.length} places are no order of the last axis of ${showShape(x?.shape ?? [])}`);
    need("fixedPoint", x, "f32");
    for (const node of body.nodes) {
      if (node.prim !== "input") continue;
      const { name } = node.params;
      const given = name === "x" ? x : at(inputs, Number(name));
      if (given.dtype !== node.dtype || !sameShape(given.shape, node.shape))
        throw shapeError(
          `fixedPoint: the body takes ${name} as ${node.dtype} ${showShape(node.shape)}, and it is ${given.dtype} ${showShape(given.shape)}`,
        );
    }
    return { shape: x.shape, dtype: "f32" };
  },
  cholesky: (_params, inputs) => {
    const a = at(inputs, 0);
    const rank = a.shape.length;
    need("cholesky", a, "f32");
    if (rank < 2 || a.shape[rank - 1] !== a.shape[rank - 2])
      throw shapeError(`cholesky: ${showShape(a.shape)} is not a (batch of) square matrices`);
    return a;
  },
  triangularSolve: (_params, inputs) => {
    const [l, b] = [at(inputs, 0), at(inputs, 1)];
    const rank = l.shape.length;
    need("triangularSolve", l, "f32");
    need("triangularSolve", b, "f32");
    const fits =
      rank >= 2 &&
      b.shape.length === rank &&
      l.shape[rank - 1] === l.shape[rank - 2] &&
      l.shape[rank - 1] === b.shape[rank - 2] &&
      sameShape(l.shape.slice(0, -2), b.shape.slice(0, -2));
    if (!fits) throw shapeError(`triangularSolve: ${showShape(l.shape)} and ${showShape(b.shape)} do not fit`);
    return b;
  },
};

/** The rule of `prim` applied: the result's type. */
export function inferType<P extends Prim>(prim: P, params: PrimParams[P], inputs: readonly ValueType[], declared?: ValueType): ValueType {
  const rule: ShapeRule<P> = shapeRules[prim];
  return rule(params, inputs, declared);
}
