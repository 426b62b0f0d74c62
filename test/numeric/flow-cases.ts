/** Every bijection of the runtime, at events and options that differ, with random weights: what the tests of flows run over. */
import * as gmc from "../../src/runtime/index.js";
import type { Bijector, LayerSpec, Shape, Tensor } from "../../src/runtime/index.js";

/** Numbers in (-1, 1) without a pattern, the same in every run. */
export function noise(size: number, seed = 1): Float64Array {
  const stream = gmc.hostStream(seed, "flow-cases");
  return Float64Array.from({ length: size }, () => 2 * stream.uniform() - 1);
}

export type Weights = Readonly<Record<string, Tensor>>;

export interface FlowCase {
  readonly name: string;
  /** Event on the side of z, and of x where it is another. */
  readonly event: Shape;
  readonly outEvent?: Shape;
  /** Weights by name, and how far they are from 0 (of layers: from their start). */
  readonly weights?: Readonly<Record<string, Shape>>;
  readonly spread?: number;
  readonly spec?: LayerSpec<unknown>;
  readonly make: (w: Weights) => Bijector;
  /** Where values of z lie; default about (-2, 2). */
  readonly z?: (noise: number) => number;
}

/** A net from an event of any shape to another, with a hidden layer. */
export function netOf(w: Weights, from: Shape, to: Shape, name = "net"): (t: Tensor) => Tensor {
  return (t) => {
    const lead = t.shape.slice(0, t.shape.length - from.length);
    const hidden = gmc.tanh(gmc.matmul(gmc.reshape(t, [...lead, gmc.sizeOf(from)]), w[`${name}A`]!));
    return gmc.reshape(gmc.add(gmc.matmul(hidden, w[`${name}B`]!), w[`${name}C`]!), [...lead, ...to]);
  };
}
export const netWeights = (from: Shape, to: Shape, name = "net"): Readonly<Record<string, Shape>> => ({
  [`${name}A`]: [gmc.sizeOf(from), 5],
  [`${name}B`]: [5, gmc.sizeOf(to)],
  [`${name}C`]: [gmc.sizeOf(to)],
});

/** [..., D] to [..., D, 2] by the entries before each in an order: tanh of a masked product, so that it is not linear. */
function triangularNet(w: Weights, size: number, order: readonly number[] | undefined): (t: Tensor) => Tensor {
  const place = (i: number): number => (order ? order.indexOf(i) : i);
  const mask = gmc.constant(
    Array.from({ length: 2 * size * size }, (_, i) =>
      place(Math.floor(i / (2 * size))) < place(Math.floor((i % (2 * size)) / 2)) ? 1 : 0,
    ),
    [size, 2 * size],
  );
  return (t) => gmc.reshape(gmc.tanh(gmc.add(gmc.matmul(t, gmc.mul(w["made"]!, mask)), w["bias"]!)), [...t.shape, 2]);
}

/** Cases of a coupling: the event, its mask, what its net takes and gives. */
function couplings(name: string, parameters: number, make: (options: gmc.CouplingOptions) => Bijector, extra = ""): readonly FlowCase[] {
  const of = (event: Shape, mask: gmc.Mask, swap: boolean, kept: Shape, changed: Shape): FlowCase => {
    const to = [...changed.slice(0, -1), changed.at(-1)! * parameters];
    return {
      name: `${name}${extra} ${mask}${swap ? " swapped" : ""} [${event.join(", ")}]`,
      event,
      weights: netWeights(kept, to),
      make: (w) => make({ event, mask, swap, net: netOf(w, kept, to) }),
    };
  };
  return [
    of([6], "halves", false, [3], [3]),
    of([5], "halves", true, [3], [2]),
    of([6], "alternate", true, [3], [3]),
    of([5], "alternate", false, [3], [2]),
    of([5], "alternate", true, [2], [3]),
    of([2, 3, 4], "channel", false, [2, 3, 2], [2, 3, 2]),
    of([2, 3, 2], "alternate", false, [2, 3, 1], [2, 3, 1]),
    of([3, 2, 2], "checkerboard", true, [3, 2, 2], [3, 2, 2]),
    of([5], "checkerboard", false, [5], [5]),
  ];
}

const layer = (
  name: string,
  event: Shape,
  spec: LayerSpec<unknown>,
  make: (w: Weights) => Bijector,
  rest: Partial<FlowCase> = {},
): FlowCase => ({
  name: `${name} [${event.join(", ")}]`,
  event,
  spec,
  make,
  ...rest,
});

export const cases: readonly FlowCase[] = [
  layer("affine", [4], gmc.affine.spec([4]), (w) => gmc.affine(w as never, { event: [4] })),
  layer("affine", [2, 2, 3], gmc.affine.spec([2, 2, 3]), (w) => gmc.affine(w as never, { event: [2, 2, 3] })),
  ...couplings("coupling", 2, gmc.coupling),
  ...couplings("coupling", 2, (o) => gmc.coupling({ ...o, scale: "sigmoid" }), " sigmoid").slice(0, 1),
  ...couplings("coupling", 2, (o) => gmc.coupling({ ...o, scale: "sigmoid" }), " sigmoid").slice(-1),
  ...couplings("coupling", 2, (o) => gmc.coupling({ ...o, scale: "exp" }), " exp").slice(0, 1),
  ...couplings("additiveCoupling", 1, gmc.additiveCoupling),
  ...couplings("splineCoupling", 23, gmc.splineCoupling),
  ...couplings("splineCoupling", 5, (o) => gmc.splineCoupling({ ...o, bins: 2, bound: 1.5 }), " 2 bins").slice(0, 1),
  ...couplings("splineCoupling", 2, (o) => gmc.splineCoupling({ ...o, bins: 1 }), " 1 bin").slice(0, 1),
  layer("planar", [5], gmc.planar.spec([5]), (w) => gmc.planar(w as never, { event: [5] })),
  layer("planar", [2, 2, 2], gmc.planar.spec([2, 2, 2]), (w) => gmc.planar(w as never, { event: [2, 2, 2] })),
  layer("radial", [5], gmc.radial.spec([5]), (w) => gmc.radial(w as never, { event: [5] })),
  layer("radial", [2, 2], gmc.radial.spec([2, 2]), (w) => gmc.radial(w as never, { event: [2, 2] })),
  layer("sylvester", [5], gmc.sylvester.spec([5], 3), (w) => gmc.sylvester(w as never, { event: [5] })),
  layer("sylvester", [2, 2], gmc.sylvester.spec([2, 2], 2, { reflections: 3 }), (w) => gmc.sylvester(w as never, { event: [2, 2] })),
  layer("sylvester triangular", [4], gmc.sylvester.spec([4], 4, { orthogonal: "triangular" }), (w) =>
    gmc.sylvester(w as never, { event: [4] }),
  ),
  layer("actnorm", [4], gmc.actnorm.spec(4), (w) => gmc.actnorm(w as never, { event: [4] })),
  layer("actnorm", [2, 3, 2], gmc.actnorm.spec(2), (w) => gmc.actnorm(w as never, { event: [2, 3, 2] })),
  layer("invertibleLinear", [5], gmc.invertibleLinear.spec(5), (w) => gmc.invertibleLinear(w as never, { event: [5] }), { spread: 0.3 }),
  layer("invertibleLinear", [2, 2, 3], gmc.invertibleLinear.spec(3), (w) => gmc.invertibleLinear(w as never, { event: [2, 2, 3] }), {
    spread: 0.3,
  }),
  ...(["maskedAutoregressive", "inverseAutoregressive"] as const).flatMap((name): FlowCase[] => {
    const cases = [
      { extra: "", event: [5], options: {} },
      { extra: " exp, own order", event: [4], options: { scale: "exp", order: [2, 0, 3, 1] } as const },
      { extra: " sigmoid", event: [3], options: { scale: "sigmoid" } as const },
    ];
    return cases.map(({ extra, event, options }) => ({
      name: `${name}${extra} [${event.join(", ")}]`,
      event,
      weights: { made: [event[0]!, 2 * event[0]!], bias: [2 * event[0]!] },
      make: (w) => gmc[name]({ event, net: triangularNet(w, event[0]!, "order" in options ? options.order : undefined), ...options }),
    }));
  }),
  ...(
    [
      ["expFlow", gmc.expFlow],
      ["softplusFlow", gmc.softplusFlow],
      ["sigmoidFlow", gmc.sigmoidFlow],
    ] as const
  ).map(([name, make]): FlowCase => ({ name, event: [2, 3], make: () => make({ event: [2, 3] }) })),
  { name: "sigmoidFlow, alpha", event: [4], make: () => gmc.sigmoidFlow({ event: [4], alpha: 0.05 }) },
  { name: "logitFlow", event: [4], make: () => gmc.logitFlow({ event: [4] }), z: (n) => 0.5 + 0.45 * n },
  layer("batchNormFlow", [4], gmc.batchNormFlow.spec(4), (w) => gmc.batchNormFlow(w as never, { event: [4] })),
  layer("batchNormFlow", [2, 2, 3], gmc.batchNormFlow.spec(3), (w) => gmc.batchNormFlow(w as never, { event: [2, 2, 3] })),
  {
    name: "multiScale of another shape",
    event: [2, 2, 8],
    weights: { ...netWeights([1, 1, 8], [1, 1, 16]) },
    make: (w) =>
      gmc.multiScale({
        event: [2, 2, 8],
        innerEvent: [1, 1, 16],
        inner: gmc.chain([
          gmc.coupling({ event: [1, 1, 16], mask: "channel", net: netOf(w, [1, 1, 8], [1, 1, 16]) }),
          gmc.squeezeFlow({ event: [1, 1, 16] }),
        ]),
      }),
  },
  {
    name: "multiScale of a vector",
    event: [5],
    weights: netWeights([1], [2]),
    make: (w) => gmc.multiScale({ event: [5], size: 2, inner: gmc.coupling({ event: [2], net: netOf(w, [1], [2]) }) }),
  },
  { name: "permute by order", event: [2, 4], make: () => gmc.permute({ event: [2, 4], order: [2, 0, 3, 1] }) },
  { name: "permute by seed", event: [7], make: () => gmc.permute({ event: [7], order: 3 }) },
  { name: "reverseFlow", event: [5], make: () => gmc.reverseFlow({ event: [5] }) },
  { name: "squeezeFlow", event: [2, 3, 8], outEvent: [4, 6, 2], make: () => gmc.squeezeFlow({ event: [2, 3, 8] }) },
  { name: "squeezeFlow of a sequence", event: [2, 6], outEvent: [6, 2], make: () => gmc.squeezeFlow({ event: [2, 6], factor: 3 }) },
  {
    name: "chain, invert",
    event: [4],
    weights: { ...netWeights([2], [4]), u: [4], w: [4], b: [] },
    make: (w) =>
      gmc.chain([
        gmc.coupling({ event: [4], net: netOf(w, [2], [4]) }),
        gmc.reverseFlow({ event: [4] }),
        gmc.invert(gmc.coupling({ event: [4], net: netOf(w, [2], [4]), scale: "exp" })),
      ]),
  },
];

/** Weights and values of a case: feeds by name, z [2, 3, ...event] among them. */
export function feedsOf(c: FlowCase, seed = 1): Readonly<Record<string, { readonly shape: Shape; readonly data: Float64Array }>> {
  const shapes: Readonly<Record<string, Shape>> =
    c.weights ?? Object.fromEntries(Object.entries(c.spec?.leaves ?? {}).map(([name, leaf]) => [name, leaf.shape]));
  const spread = c.spread ?? 1;
  const weights = Object.entries(shapes).map(([name, shape], i) => {
    const own = c.spec?.leaves[name];
    const start = own ? gmc.initialState(own, { seed, path: `case.${name}` }) : new Float64Array(gmc.sizeOf(shape));
    const moved = noise(gmc.sizeOf(shape), 100 * seed + i);
    return [name, { shape, data: own?.trained === false ? start : start.map((v, j) => v + spread * moved[j]!) }] as const;
  });
  const shape = [2, 3, ...c.event];
  const z = noise(gmc.sizeOf(shape), 7 * seed).map((v) => (c.z ?? ((n) => 2 * n))(v));
  return { ...Object.fromEntries(weights), z: { shape, data: z } };
}
