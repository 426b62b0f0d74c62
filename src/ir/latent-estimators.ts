/**
 * The estimators of draws from densities that `by` may name. Each entry says by what path a gradient goes through the draw, whether it is without bias,
 * which draws it fits, and which surrogate it builds: a value whose gradient is the estimate (`src/runtime/estimate`). A new estimator is an entry here
 * and a function of the runtime.
 */
import type { DiscreteValues, Distribution } from "./distributions.js";
import type { EstimatorEntry, EstimatorOption, Options } from "./estimators.js";
import { MAX_STATES, type States, stateCount } from "./states.js";
import type { Domain } from "./types.js";

/** How the gradient of an expectation reaches the parameters of a draw. */
export type GradientPath = "reparameterised" | "score function" | "enumerated" | "relaxed" | "straight-through" | "none";

/** A draw that wants a gradient. */
export interface DrawFacts {
  readonly variable: string;
  readonly dist: Distribution;
  readonly domain: Domain | undefined;
  /** Undefined where there are infinitely many. */
  readonly states: States | undefined;
  /** Entries of the variable. */
  readonly entries: number;
  /** `z[1..k]`, and k. */
  readonly samples: number | undefined;
  /** All that is done with the samples of the family is the log of a mean over them, in a plain term. */
  readonly bound: boolean;
  /** Its parameters read what the same `E` draws before. */
  readonly follows: boolean;
  /** In its own parameters: it is drawn entry after entry. */
  readonly sequential: boolean;
  /** The interval of its values moves with what is trained. */
  readonly movingEdges: boolean;
  /** The weights of a mixture move with what is trained. */
  readonly movingShares: boolean;
  /** Where the value that is averaged steps as the sample, or a relaxation of it, moves: `sign(z)`. */
  readonly step: string | undefined;
  /** Where its derivative in the sample has no mean, as that of `log(abs(z))`, 1 / z, around 0. */
  readonly steep: string | undefined;
  /** Where the sample of a discrete draw stands in a `stop`. */
  readonly stop: string | undefined;
}

/** Discrete draws that have relaxations: not classes, as a relaxed class is a vector. */
export type Relaxable = Exclude<DiscreteValues, "classes">;

/** What becomes of a draw, and of the value that is averaged. */
export type Surrogate =
  /** The sample as it is: a differentiable function of its parameters. */
  | { readonly kind: "sample" }
  /** The sample without its gradient. */
  | { readonly kind: "held" }
  /** The sum over its states. */
  | { readonly kind: "states" }
  /** The same, with the parameters of its own log-density held fixed. */
  | { readonly kind: "fixedDensity" }
  /** Another sample in its place; the runtime's function by what is drawn. */
  | { readonly kind: "replaced"; readonly draw: Readonly<Record<Relaxable, string>> }
  /** The value times the log-probability of the draw; `baseline` says which. */
  | { readonly kind: "score" }
  /** The log of a mean over a family, as a function of the log weights and what was drawn. */
  | { readonly kind: "bound"; readonly fn: string; readonly of: "logQ" | "samples" }
  /** The value at several related samples. `carries`: numbers of state; `replays`: the surrogate draws the noise of the samples again. */
  | {
      readonly kind: "related";
      /** By the entries of the variable. */
      readonly count: (entries: number) => number;
      readonly draw: Readonly<Partial<Record<Relaxable, string>>>;
      readonly fn: Readonly<Partial<Record<Relaxable, string>>>;
      readonly carries?: number;
      readonly replays?: true;
    };

interface LatentRule {
  readonly path: GradientPath;
  readonly unbiased: boolean;
  /** A flag that gives one without bias a bias, and which. */
  readonly biasBy?: { readonly flag: string; readonly bias: string };
  readonly surrogate: Surrogate;
  /** Why it does not fit a draw; undefined where it does. */
  readonly misfit: (facts: DrawFacts, options: Options) => string | undefined;
}

export type LatentEntry = EstimatorEntry & { readonly role: "latent"; readonly rule: LatentRule };

export function isUnbiased({ rule: { unbiased, biasBy } }: LatentEntry, options: Options): boolean {
  return unbiased && (biasBy === undefined || options[biasBy.flag] !== true);
}

const finite = ({ states, samples, dist }: DrawFacts): string | undefined =>
  !states || !dist.discrete
    ? "it is not finite"
    : states.size > MAX_STATES
      ? `it has ${stateCount(states.size)} states, more than ${MAX_STATES}`
      : samples !== undefined
        ? "a family of samples is drawn; an exact sum needs none"
        : undefined;

const smooth = ({ dist, step, steep }: DrawFacts): string | undefined =>
  !dist.reparameterised
    ? `a sample of ${dist.name} is not a differentiable function of its parameters`
    : step !== undefined
      ? `what is averaged steps as it moves, at \`${step}\`, of which the derivative of a sample sees nothing`
      : steep !== undefined
        ? `\`${steep}\` has no bound where it moves, and the derivative of a sample no mean`
        : undefined;

/** At a step the relaxed sample has no slope: a relaxation teaches nothing there, and a control variate no longer has the gradient of its mean. */
const slopes = ({ step }: DrawFacts): string | undefined =>
  step !== undefined ? `\`${step}\` steps as the relaxed sample moves, and the derivative of that sample sees nothing of it` : undefined;

/** Its density counts what a control variate, whose gradient is that of the relaxed sample, does not. */
const unstopped = ({ stop }: DrawFacts): string | undefined =>
  stop !== undefined
    ? `\`${stop}\` lets no gradient through to the relaxed sample, and the control variate is the derivative of that`
    : undefined;

const family = ({ samples, bound }: DrawFacts): string | undefined =>
  samples === undefined
    ? "it is for a family of samples, `z[1..k]`, inside `logmeanexp`"
    : samples < 2
      ? "it takes at least two samples: with k = 1 there is nothing to compare with"
      : bound
        ? undefined
        : "the family of samples is used otherwise than inside one `logmeanexp` in a plain term, each sample in its own weight";

const own = ({ samples, domain }: DrawFacts): string | undefined =>
  domain?.optional === true
    ? "it may be missing in a row, and a row that has it has no related samples"
    : samples !== undefined
      ? "a family of samples is drawn; it draws its own"
      : undefined;

const bits = ({ dist }: DrawFacts): string | undefined =>
  dist.values !== "bits" ? `it is for Bernoulli entries, not for ${dist.name}` : undefined;

const bitsOrUnits = ({ dist }: DrawFacts): string | undefined =>
  dist.values !== "bits" && dist.values !== "unitVectors"
    ? `it is for Bernoulli entries and one-hot vectors, not for ${dist.name}`
    : undefined;

const relaxable = ({ dist }: DrawFacts): string | undefined =>
  dist.values === undefined
    ? `there is no relaxation of ${dist.name}`
    : dist.values === "classes"
      ? "a relaxed class is a vector, and no index"
      : undefined;

/** A variable whose relaxation would be an index. */
export const relaxesIndex = ({ dist }: DrawFacts): boolean => dist.values === "classes";

const only =
  (...rules: readonly ((facts: DrawFacts, options: Options) => string | undefined)[]) =>
  (facts: DrawFacts, options: Options): string | undefined => {
    for (const rule of rules) {
      const why = rule(facts, options);
      if (why !== undefined) return why;
    }
    return undefined;
  };

const drawn = ({ sequential }: DrawFacts): string | undefined => (sequential ? "it is drawn entry after entry" : undefined);

/** E[d log q(z)] is 0, and the gradient may go under the integral, only where the values of positive density stay the same ones. */
const steady = ({ movingEdges }: DrawFacts): string | undefined =>
  movingEdges ? "its bounds are trained, and the gradient of its log-density says nothing of the samples at a bound that moves" : undefined;

const temperature = (value: number, doc: string): EstimatorOption => ({
  name: "t",
  kind: "number",
  value,
  positive: true,
  scheduled: true,
  doc,
});
const learned: EstimatorOption = {
  name: "learned",
  kind: "flag",
  value: true,
  doc: "the scale of the control variate and its temperature descend the variance of the gradient",
};

const CONTROL_TEMPERATURE = "temperature of the relaxation, or a schedule of it; times what is learned, from 1 on";
const control = { draw: { bits: "relaxedDraws", unitVectors: "relaxedOneHotDraws" }, carries: 4 } as const;

export const latentEstimators: readonly LatentEntry[] = [
  {
    name: "reparam",
    role: "latent",
    also: { pathwise: "reparam", reparameterization: "reparam", reparameterized: "reparam" },
    doc: "a sample as a differentiable function of the parameters (Kingma & Welling 2014)",
    options: [],
    rule: { path: "reparameterised", unbiased: true, surrogate: { kind: "sample" }, misfit: only(drawn, smooth) },
  },
  {
    name: "enumerate",
    role: "latent",
    also: { exact: "enumerate", marginalize: "enumerate" },
    doc: "the exact sum over the states of a finite latent",
    options: [],
    rule: { path: "enumerated", unbiased: true, surrogate: { kind: "states" }, misfit: finite },
  },
  {
    name: "score",
    role: "latent",
    also: {
      reinforce: "score(baseline = none)",
      nvil: "score(baseline = c(x), normalize = true)",
      rloo: "score(baseline = leave_one_out, k = 4)",
      dice: "score",
    },
    doc: "the score function (Williams 1992) with a baseline, as the surrogate of DiCE (Foerster et al. 2018)",
    options: [
      {
        name: "baseline",
        kind: "choice",
        value: "running_mean",
        values: ["running_mean", "leave_one_out", "none"],
        expression: true,
        doc: "mean over earlier steps, mean of the other samples (RLOO; Kool et al. 2019), none, or an expression of what is given, which learns (NVIL; Mnih & Gregor 2014): `baseline = c(x)`",
      },
      { name: "k", kind: "integer", value: 1, doc: "samples that are drawn; at least 2 with `leave_one_out`" },
      {
        name: "normalize",
        kind: "flag",
        value: false,
        doc: "divide by the deviation of the value over earlier steps, as in NVIL, which scales the gradient; of a learned baseline",
      },
    ],
    conflict: (options, given) => {
      const alone = options["baseline"] !== "leave_one_out";
      if (!alone && Number(options["k"]) < 2)
        return ["`leave_one_out` compares each sample with the others: `k = 1` has none", "use `score(baseline = leave_one_out, k = 4)`"];
      if (alone && Number(options["k"]) > 1)
        return [
          `\`k = ${options["k"]}\` samples are for \`baseline = leave_one_out\``,
          "leave `k` out, or use `score(baseline = leave_one_out, k = …)`",
        ];
      const idle = options["normalize"] === true && (given["baseline"] === undefined || options["baseline"] !== EXPRESSION);
      return idle ? ["`normalize` goes with a learned baseline", "give one: `score(baseline = c(x), normalize = true)`"] : undefined;
    },
    rule: {
      path: "score function",
      unbiased: true,
      biasBy: { flag: "normalize", bias: "scaled" },
      surrogate: { kind: "score" },
      misfit: only(drawn, steady, ({ samples }, options) =>
        samples !== undefined && options["baseline"] === "leave_one_out"
          ? "a family of samples is drawn; `leave_one_out` draws its own"
          : undefined,
      ),
    },
  },
  {
    name: "vimco",
    role: "latent",
    doc: "for `logmeanexp` over k samples: each is compared with the bound without it (Mnih & Rezende 2016)",
    options: [],
    rule: {
      path: "score function",
      unbiased: true,
      surrogate: { kind: "bound", fn: "vimco", of: "logQ" },
      misfit: only(drawn, steady, family),
    },
  },
  {
    name: "disarm",
    role: "latent",
    also: { u2g: "disarm" },
    doc: "two antithetic samples of Bernoulli entries (Dong, Mnih & Tucker 2020)",
    options: [],
    rule: {
      path: "score function",
      unbiased: true,
      surrogate: { kind: "related", count: () => 2, draw: { bits: "antitheticDraws" }, fn: { bits: "disarm" } },
      misfit: only(drawn, bits, own),
    },
  },
  {
    name: "arm",
    role: "latent",
    doc: "augment, reinforce, merge: two antithetic samples of Bernoulli entries, with their uniforms (Yin & Zhou 2019)",
    options: [],
    rule: {
      path: "score function",
      unbiased: true,
      surrogate: { kind: "related", count: () => 2, draw: { bits: "antitheticDraws" }, fn: { bits: "arm" }, replays: true },
      misfit: only(drawn, bits, own),
    },
  },
  {
    name: "local_expectation",
    role: "latent",
    also: { leg: "local_expectation" },
    doc: "each Bernoulli entry or one-hot vector summed over its values, the others being as drawn (Titsias & Lazaro-Gredilla 2015)",
    options: [],
    rule: {
      path: "enumerated",
      unbiased: true,
      surrogate: {
        kind: "related",
        count: (entries) => entries + 1,
        draw: { bits: "flippedDraws", unitVectors: "replacedClassDraws" },
        fn: { bits: "localExpectation", unitVectors: "localClassExpectation" },
      },
      misfit: only(drawn, bitsOrUnits, own, ({ entries }) =>
        entries < MAX_STATES ? undefined : `it has ${entries} entries, each of which takes another evaluation; at most ${MAX_STATES - 1}`,
      ),
    },
  },
  {
    name: "rebar",
    role: "latent",
    doc: "score function with the relaxed draw as its control variate (Tucker et al. 2017)",
    options: [temperature(0.5, CONTROL_TEMPERATURE), learned],
    rule: {
      path: "score function",
      unbiased: true,
      surrogate: { kind: "related", count: () => 3, fn: { bits: "rebar", unitVectors: "rebarOneHot" }, ...control },
      misfit: only(drawn, bitsOrUnits, own, slopes, unstopped),
    },
  },
  {
    name: "relax",
    role: "latent",
    doc: "as rebar, with a function of the sample added to the control variate: `relax(control = r(z))` (Grathwohl et al. 2018)",
    options: [
      {
        name: "control",
        kind: "expression",
        value: "",
        doc: "a number of the sample and what is given, whose weights descend the variance",
      },
      temperature(0.5, CONTROL_TEMPERATURE),
      learned,
    ],
    conflict: (_options, given) =>
      given["control"] === undefined
        ? ["`relax` takes a control variate", "give it a net of the sample: `relax(control = r(z))`, or use `rebar`, which needs none"]
        : undefined,
    rule: {
      path: "score function",
      unbiased: true,
      surrogate: { kind: "related", count: () => 3, fn: { bits: "relax", unitVectors: "relaxOneHot" }, ...control },
      misfit: only(drawn, bitsOrUnits, own, slopes, unstopped),
    },
  },
  {
    name: "concrete",
    role: "latent",
    also: { gumbel_softmax: "concrete(t = 0.5)", gumbel: "concrete(t = 0.5)" },
    doc: "a relaxed sample in place of the discrete one, biased the less the lower the temperature (Maddison et al. 2017; Jang et al. 2017)",
    options: [temperature(0.5, "temperature; a schedule, `exponential(1, 0.5, epochs = 10)`, lowers it as training goes")],
    rule: {
      path: "relaxed",
      unbiased: false,
      surrogate: { kind: "replaced", draw: { bits: "concreteBernoulli", unitVectors: "concreteCategorical" } },
      misfit: only(drawn, relaxable, slopes),
    },
  },
  {
    name: "gumbel_straight_through",
    role: "latent",
    also: { straight_through_gumbel: "gumbel_straight_through(t = 0.5)", st_gumbel_softmax: "gumbel_straight_through(t = 0.5)" },
    doc: "a discrete sample with the gradient of its relaxation (Jang et al. 2017, section 2.2)",
    options: [temperature(0.5, "temperature of the relaxation")],
    rule: {
      path: "straight-through",
      unbiased: false,
      surrogate: { kind: "replaced", draw: { bits: "straightThroughBernoulli", unitVectors: "straightThroughCategorical" } },
      misfit: only(drawn, relaxable, slopes),
    },
  },
  {
    name: "straight_through",
    role: "latent",
    doc: "a discrete sample with the gradient of its mean (Bengio, Léonard & Courville 2013)",
    options: [],
    rule: {
      path: "straight-through",
      unbiased: false,
      surrogate: { kind: "replaced", draw: { bits: "meanThroughBernoulli", unitVectors: "meanThroughCategorical" } },
      misfit: only(drawn, relaxable, slopes),
    },
  },
  {
    name: "fixed",
    role: "latent",
    doc: "no gradient through the draw: what it is drawn from is taken as given, as the proposal of reweighted wake-sleep is (Bornschein & Bengio 2015)",
    options: [],
    rule: { path: "none", unbiased: false, surrogate: { kind: "held" }, misfit: only(drawn) },
  },
  {
    name: "stl",
    role: "latent",
    also: { sticking_the_landing: "stl" },
    doc: "sticking the landing: reparameterised, without the score of log q(z | x), whose mean is 0 (Roeder, Wu & Duvenaud 2017)",
    options: [],
    rule: {
      path: "reparameterised",
      unbiased: true,
      surrogate: { kind: "fixedDensity" },
      misfit: only(drawn, smooth, steady, alone),
    },
  },
  {
    name: "dreg",
    role: "latent",
    doc: "for `logmeanexp` over k reparameterised samples: squared normalised weights, without the score of log q(z | x) (Tucker et al. 2019)",
    options: [],
    rule: {
      path: "reparameterised",
      unbiased: true,
      surrogate: { kind: "bound", fn: "doublyReparameterised", of: "samples" },
      misfit: only(drawn, smooth, steady, family),
    },
  },
];

/** With log q(z | x) inside the log of a mean, its score has another mean than 0. */
function alone({ samples }: DrawFacts): string | undefined {
  return samples === undefined ? undefined : "a family of samples is drawn; inside `logmeanexp` it would be biased, and `dreg` is not";
}

/** The value of an option that is given as an expression. */
export const EXPRESSION = "…";

export const latentEntries: ReadonlyMap<string, LatentEntry> = new Map(latentEstimators.map((e) => [e.name, e]));
