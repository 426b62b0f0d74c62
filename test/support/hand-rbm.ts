/**
 * A binary RBM written by hand, E(v, h) = -v W h - a h - b v: what the compiler makes of an energy, without the compiler; and its exact answers
 * by enumeration on the host.
 */
import {
  add,
  bernoulli,
  binary,
  broadcastTo,
  cast,
  constant,
  defineModel,
  div,
  expandDims,
  floor,
  init,
  log,
  logSumExp,
  matmul,
  mean,
  mul,
  neg,
  param,
  rowsOf,
  sgd,
  sigmoid,
  softplus,
  stack,
  stopGradient,
  sub,
  sum,
  writeState,
  type CarriedSpec,
  type ChainDefinition,
  type Key,
  type ModelDefinition,
  type OptimizerSpec,
  type PartitionContext,
  type PartitionProgram,
  type PhaseDefinition,
  type StepContext,
  type Tensor,
  type UpdateDefinition,
  type WeightsOf,
} from "gmc/runtime";

export interface HandRbmOptions {
  readonly D?: number;
  readonly H?: number;
  /** Scale of the weights at the start. */
  readonly spread?: number;
  readonly chains?: number;
  /** Gibbs sweeps of a step. */
  readonly k?: number;
  readonly start?: CarriedSpec["start"];
  readonly optimizer?: OptimizerSpec;
  readonly phase?: Partial<PhaseDefinition>;
  /** Sweeps of a sample. */
  readonly sweeps?: number;
  /** Changes what the next step finds as the chain. */
  readonly spoil?: (chain: Tensor) => Tensor;
  /** Replaces the phases. */
  readonly train?: (update: UpdateDefinition, phase: PhaseDefinition) => readonly PhaseDefinition[];
}

const rbmWeights = (D: number, H: number, spread: number) => ({
  W: param([D, H], { init: init.normal(0, spread) }),
  a: param([H], { init: init.normal(0, spread) }),
  b: param([D], { init: init.normal(0, spread) }),
});

export type RbmWeights = WeightsOf<ReturnType<typeof rbmWeights>>;

/** v [..., D] -> [..., H] */
export const hiddenLogits = (w: RbmWeights, v: Tensor): Tensor => add(matmul(v, w.W), w.a);
/** h [..., H] -> [..., D] */
export const visibleLogits = (w: RbmWeights, h: Tensor): Tensor => add(matmul(h, w.W, { transposeB: true }), w.b);
/** -log of the sum over h of exp(-E(v, h)), [...] */
export const freeEnergy = (w: RbmWeights, v: Tensor): Tensor => neg(add(dot(v, w.b), sum(softplus(hiddenLogits(w, v)), [-1])));

const dot = (x: Tensor, b: Tensor): Tensor => sum(matmul(x, expandDims(b, -1)), [-1]);

/** One sweep: h given v, then v given h. */
export function sweep(w: RbmWeights, key: Key, v: Tensor): { readonly v: Tensor; readonly h: Tensor } {
  const rows = rowsOf(v);
  const [D = 1, H = 1] = w.W.shape;
  const h = bernoulli.sample(key.at("h"), { logits: hiddenLogits(w, v) }, [rows, H]);
  return { h, v: bernoulli.sample(key.at("v"), { logits: visibleLogits(w, h) }, [rows, D]) };
}

/** Visible units start as fair coins. */
export function rbmChain(D: number, H: number, sweeps: number): ChainDefinition<ReturnType<typeof rbmWeights>> {
  const fair = { dtype: "f32", start: { kind: "bernoulli" } } as const;
  return {
    variables: { h: { shape: [H], ...fair }, v: { shape: [D], ...fair } },
    sweeps,
    sweep: (w, key, values, given) => {
      const all = { ...values, ...given };
      const rows = rowsOf(all["v"]!);
      const h = given["h"] ?? bernoulli.sample(key.at("h"), { logits: hiddenLogits(w, all["v"]!) }, [rows, H]);
      const v = given["v"] ?? bernoulli.sample(key.at("v"), { logits: visibleLogits(w, h) }, [rows, D]);
      return { h, v };
    },
    means: {
      h: (w, { v }) => sigmoid(hiddenLogits(w, v!)),
      v: (w, { h }) => sigmoid(visibleLogits(w, h!)),
    },
  };
}

export function handRbm(options: HandRbmOptions = {}): ModelDefinition {
  const { D = 12, H = 4, spread = 0.01, chains = 20, k = 1 } = options;
  const weights = rbmWeights(D, H, spread);

  /** mean(-F(v)) - mean(-F(chain)): its gradient is that of log p(v), the model's part estimated at the persistent chains (Tieleman 2008). */
  function pcd({ w, data, key, carried }: StepContext<typeof weights>): Tensor {
    let chain = carried["p.v"] as Tensor;
    for (let i = 0; i < k; i++) chain = stopGradient(sweep(w, key.fold(i), chain).v);
    writeState(carried["p.v"] as Tensor, options.spoil ? options.spoil(chain) : chain);
    return sub(neg(freeEnergy(w, data["v"] as Tensor)), mean(neg(freeEnergy(w, chain))));
  }

  const update: UpdateDefinition<typeof weights> = {
    direction: "maximize",
    label: "log p(v)",
    place: "rbm.gm:9",
    value: pcd,
    over: ["W", "a", "b"],
    optimizer: options.optimizer ?? sgd({ lr: 0.05 }),
    carried: {
      "p.v": {
        shape: [chains, D],
        dtype: "f32",
        start: options.start ?? { kind: "bernoulli" },
        of: { density: "p", variable: "v" },
      },
    },
  };
  const phase: PhaseDefinition<typeof weights> = {
    name: "train",
    batch: 10,
    epochs: 3,
    updates: [update],
    ...(options.phase as Partial<PhaseDefinition<typeof weights>> | undefined),
  };

  const model = defineModel({
    name: "HandRBM",
    source: { file: "rbm.gm", sha256: "0".repeat(64), compiler: "0.1.0" },
    hyperparameters: { D, H },
    streams: [{ v: binary([D]) }],
    latents: { h: binary([H]) },
    weights,
    densities: {
      p: { head: ["v", "h"], given: [], label: "p(v, h)", place: "rbm.gm:6", chain: rbmChain(D, H, options.sweeps ?? 100) },
    },
    generative: "p",
    train: [phase],
    evaluate: {
      logZ: {
        kind: "partition",
        method: "ais",
        label: "ais(chains = 100, temperatures = 500)",
        place: "rbm.gm:12",
        chains: 100,
        temperatures: 500,
        statistics: ["v"],
        program: ({ chains: n, temperatures }) => rbmAis(D, n, temperatures),
      },
      exactLogZ: { kind: "partition", method: "exact", label: "exact()", place: "rbm.gm:13", program: () => rbmExact(H) },
      nll: {
        kind: "rows",
        label: "-log p(v)",
        place: "rbm.gm:14",
        unit: "nats",
        bound: "estimate",
        partitions: ["logZ"],
        value: ({ w, data, partition }) => add(freeEnergy(w, data["v"] as Tensor), partition["logZ"] as Tensor),
      },
      exactNll: {
        kind: "rows",
        label: "-log p(v)",
        place: "rbm.gm:15",
        unit: "nats",
        bound: "exact",
        partitions: ["exactLogZ"],
        value: ({ w, data, partition }) => add(freeEnergy(w, data["v"] as Tensor), partition["exactLogZ"] as Tensor),
      },
      perplexity: {
        kind: "rows",
        label: "exp(-log p(v) / D)",
        place: "rbm.gm:16",
        unit: "per unit",
        partitions: ["logZ"],
        rows: 7,
        transform: "exp",
        value: ({ w, data, partition }) => div(add(freeEnergy(w, data["v"] as Tensor), partition["logZ"] as Tensor), D),
      },
    },
  });
  const [first] = model.train;
  const [own] = first?.updates ?? [];
  return options.train && first && own ? { ...model, train: options.train(own, first) } : model;
}

/**
 * Annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008) with the hidden units summed out, along (1 - t) E_base + t E from
 * independent units whose means are those of the data.
 */
function rbmAis(D: number, chains: number, temperatures: number): PartitionProgram<ReturnType<typeof rbmWeights>> {
  type Context = PartitionContext<ReturnType<typeof rbmWeights>>;
  const base = ({ statistics }: Context): Tensor => {
    const p = add(mul(statistics["v"]!.mean, 0.9), 0.05);
    return sub(log(p), log(sub(1, p)));
  };
  const at = ({ w, ...context }: Context, t: Tensor): RbmWeights => ({
    W: mul(w.W, t),
    a: mul(w.a, t),
    b: add(mul(w.b, t), mul(base({ w, ...context }), sub(1, t))),
  });
  return {
    iterations: temperatures,
    start: (context) => ({
      v: bernoulli.sample(context.key.at("start"), { logits: base(context) }, [chains, D]),
      logW: broadcastTo(constant(0), [chains]),
    }),
    step: (context, { v, logW }, iteration) => {
      const i = cast(iteration, "f32");
      const [before, after] = [at(context, div(i, temperatures)), at(context, div(add(i, 1), temperatures))];
      const gain = sub(freeEnergy(before, v!), freeEnergy(after, v!));
      return { v: sweep(after, context.key.iterate(iteration), v!).v, logW: add(logW!, gain) };
    },
    result: (context, { logW }) => add(logW!, add(sum(softplus(base(context))), context.w.a.shape[0]! * Math.log(2))),
  };
}

/** The states of the hidden units one after another, the visible ones summed out. */
function rbmExact(H: number): PartitionProgram<ReturnType<typeof rbmWeights>> {
  return {
    iterations: 2 ** H,
    start: () => ({ total: constant([-1e30]) }),
    step: ({ w }, { total }, iteration) => {
      const bits = floor(div(cast(iteration, "f32"), constant(Array.from({ length: H }, (_, j) => 2 ** j))));
      const h = expandDims(sub(bits, mul(2, floor(div(bits, 2)))), 0);
      const logP = add(dot(h, w.a), sum(softplus(visibleLogits(w, h)), [-1]));
      return { total: logSumExp(stack([total!, logP], 0), [0]) };
    },
    result: (_, { total }) => total!,
  };
}

export interface HostRbm {
  readonly W: ArrayLike<number>;
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
}

/** -F(v) */
export function logUnnormalised({ W, a, b }: HostRbm, v: ArrayLike<number>): number {
  const [D, H] = [b.length, a.length];
  let total = 0;
  for (let i = 0; i < D; i++) total += (v[i] ?? 0) * (b[i] ?? 0);
  for (let j = 0; j < H; j++) {
    let x = a[j] ?? 0;
    for (let i = 0; i < D; i++) x += (v[i] ?? 0) * (W[i * H + j] ?? 0);
    total += Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }
  return total;
}

/** log Z by enumeration of the visible units. */
export function exactLogZ(w: HostRbm): number {
  const D = w.b.length;
  const logs = Array.from({ length: 2 ** D }, (_, s) =>
    logUnnormalised(
      w,
      Array.from({ length: D }, (_, i) => (s >> i) & 1),
    ),
  );
  const top = Math.max(...logs);
  return top + Math.log(logs.reduce((t, x) => t + Math.exp(x - top), 0));
}
