/** A small VAE written by hand as generated code would be; the training and evaluation tests run it. */
import {
  adam,
  add,
  bernoulli,
  binary,
  defineModel,
  dense,
  exp,
  klNormal,
  logMeanExp,
  mul,
  neg,
  normal,
  real,
  rowsOf,
  sub,
  sum,
  tanh,
  term,
  type Draw,
  type Key,
  type OptimizerSpec,
  type PhaseDefinition,
  type Rows,
  type Schedule,
  type Tensor,
  type UpdateDefinition,
  type WeightsOf,
} from "gmc/runtime";

export interface HandVaeOptions {
  readonly D?: number;
  readonly H?: number;
  readonly Z?: number;
  readonly k?: number;
  readonly optimizer?: OptimizerSpec;
  readonly phase?: Partial<PhaseDefinition>;
  /** weight of the KL term */
  readonly beta?: Schedule;
  /** wraps log p(x | z): NaN injection */
  readonly spoil?: (logPx: Tensor, x: Tensor) => Tensor;
}

export function handVae(options: HandVaeOptions = {}) {
  const { D = 16, H = 8, Z = 2, k = 8 } = options;
  const weights = {
    decoder: { dense1: dense.spec(Z, H), dense2: dense.spec(H, D) },
    encoder: { dense1: dense.spec(D, H), dense2: dense.spec(H, Z), dense3: dense.spec(H, Z) },
  };
  type Weights = WeightsOf<typeof weights>;

  const decoder = (w: Weights["decoder"], z: Tensor): Tensor => dense(w.dense2, tanh(dense(w.dense1, z)));
  const encoder = (w: Weights["encoder"], x: Tensor) => {
    const h = tanh(dense(w.dense1, x));
    return { loc: dense(w.dense2, h), scale: exp(dense(w.dense3, h)) };
  };

  function elbo(w: Weights, x: Tensor, key: Key, beta?: Tensor): Tensor {
    const B = rowsOf(x);
    const e = encoder(w.encoder, x);
    const z = normal.sample(key.at("z"), { loc: e.loc, scale: e.scale }, [B, Z]); // [B, Z]
    const density = sum(bernoulli.logProb(x, { logits: decoder(w.decoder, z) }), [-1]);
    const logPx = term("log p(x | z)", "vae.gm:12", options.spoil ? options.spoil(density, x) : density); // [B]
    const klZ = term("KL(q(z | x), p(z))", "vae.gm:11", sum(klNormal({ loc: e.loc, scale: e.scale }, { loc: 0, scale: 1 }), [-1])); // [B]
    return sub(logPx, beta ? mul(beta, klZ) : klZ); // [B]
  }

  function iwae(w: Weights, x: Tensor, key: Key, samples: number): Tensor {
    const B = rowsOf(x);
    const e = encoder(w.encoder, x);
    const z = normal.sample(key.at("z"), { loc: e.loc, scale: e.scale }, [samples, B, Z]); // [k, B, Z]
    const logPz = sum(normal.logProb(z, { loc: 0, scale: 1 }), [-1]); // [k, B]
    const logPx = sum(bernoulli.logProb(x, { logits: decoder(w.decoder, z) }), [-1]); // [k, B]
    const logQz = sum(normal.logProb(z, { loc: e.loc, scale: e.scale }), [-1]); // [k, B]
    return logMeanExp(sub(add(logPz, logPx), logQz), [0]); // [B]
  }

  function sampleP(w: Weights, key: Key, B: Rows, given: Readonly<Record<string, Tensor>>): Draw {
    const z = given["z"] ?? normal.sample(key.at("z"), { loc: 0, scale: 1 }, [B, Z]);
    const logits = decoder(w.decoder, z);
    const x = given["x"] ?? bernoulli.sample(key.at("x"), { logits }, [B, D]);
    return { values: { x, z }, means: { x: bernoulli.mean({ logits }) } };
  }

  function sampleQ(w: Weights, key: Key, B: Rows, given: Readonly<Record<string, Tensor>>): Draw {
    const x = given["x"];
    if (x === undefined) throw new Error("q is conditioned on x");
    const e = encoder(w.encoder, x);
    const z = given["z"] ?? normal.sample(key.at("z"), { loc: e.loc, scale: e.scale }, [B, Z]);
    return { values: { z }, means: { z: e.loc } };
  }

  const update: UpdateDefinition<typeof weights> = {
    direction: "maximize",
    label: "ELBO(p, q)",
    place: "vae.gm:18",
    value: ({ w, data, key, schedule }) => elbo(w, data["x"] as Tensor, key, schedule["beta"]),
    over: ["decoder", "encoder"],
    optimizer: options.optimizer ?? adam({ lr: 1e-2 }),
  };

  return defineModel({
    name: "HandVAE",
    source: { file: "vae.gm", sha256: "0".repeat(64), compiler: "0.1.0" },
    hyperparameters: { D, H, Z },
    streams: [{ x: binary([D]) }],
    latents: { z: real([Z]) },
    weights,
    densities: {
      p: { head: ["x", "z"], given: [], label: "p(x, z)", place: "vae.gm:10", sample: sampleP },
      q: { head: ["z"], given: ["x"], label: "q(z | x)", place: "vae.gm:14", sample: sampleQ },
    },
    generative: "p",
    inference: "q",
    train: [
      {
        name: "train",
        batch: 10,
        epochs: 3,
        updates: [update],
        ...(options.beta ? { schedules: { beta: options.beta } } : {}),
        ...(options.phase as Partial<PhaseDefinition<typeof weights>> | undefined),
      },
    ],
    evaluate: {
      nll: {
        kind: "rows",
        label: `-IWAE(p, q, k = ${k})`,
        place: "vae.gm:19",
        unit: "nats",
        samples: k,
        combine: "negLogMeanExp",
        bound: "upper bound",
        value: ({ w, data, key }, samples) => neg(iwae(w, data["x"] as Tensor, key, samples)),
      },
      active: {
        kind: "activeUnits",
        label: "active_units(q)",
        place: "vae.gm:19",
        threshold: 0.01,
        mean: ({ w, data }) => ({ z: encoder(w.encoder, data["x"] as Tensor).loc }),
      },
    },
  });
}

/** Rows of 0s and 1s with structure: each is one of four templates with a few flipped entries. */
export function templateRows(rows: number, D = 16, seed = 1): Float32Array {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const templates = Array.from({ length: 4 }, () => Array.from({ length: D }, () => (next() < 0.5 ? 1 : 0)));
  const out = new Float32Array(rows * D);
  for (let i = 0; i < rows; i++) {
    const template = templates[Math.floor(next() * 4)] ?? [];
    for (let j = 0; j < D; j++) out[i * D + j] = next() < 0.05 ? 1 - (template[j] ?? 0) : (template[j] ?? 0);
  }
  return out;
}
