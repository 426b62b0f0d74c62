/**
 * The contract between a generated file and what runs it: a generated file exports `model`, a `ModelDefinition`;
 * the training loop, the evaluators and the command line consume it and know nothing else of the model.
 */
import type { DrawShape, Key, Rows, Tensor } from "./graph/index.js";
import { GmcError } from "./graph/errors.js";
import type { Shape } from "./graph/types.js";
import type { MaskChoice, Order } from "./nn/degrees.js";
import type { WeightSpecs, WeightsOf } from "./nn/spec.js";
import type { OptimizerSpec } from "./optim/optimizers.js";
import type { Schedule } from "./optim/schedules.js";

export type DomainName = "real" | "positive" | "unit" | "binary" | "category" | "count" | "byte" | "simplex";

/** Domain and event shape of a variable; the batch axis is never part of it. */
export interface VariableSpec {
  readonly domain: DomainName;
  /** Event shape; [] for a scalar. */
  readonly shape: Shape;
  /** K of `category[K]`: values are 0..K-1. */
  readonly classes?: number;
  /** `category[10]?`: may be missing in some rows. */
  readonly optional?: boolean;
  /** Ends of the domain at which the model's densities are zero or infinite: data must lie above the lower one, or within both. */
  readonly open?: "low" | "both";
  /** Along the last axis there is one 1, and all else is 0. */
  readonly unitVector?: true;
  /** Sizes of blocks along the leading axes, of each of which at most one entry is 1. */
  readonly atMostOne?: readonly number[];
  /** Of bytes: values are 0..levels-1, since a flow ends in a dequantisation of so many; 256 where absent. */
  readonly levels?: number;
}

/** One `data` statement: its variables are aligned row by row; two streams are independent. */
export type StreamSpec = Readonly<Record<string, VariableSpec>>;

/** What an objective or a metric of the model is given while it is staged. */
export interface StepContext<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> {
  /** Weights, in the shape of `weights`, constraints applied. */
  readonly w: WeightsOf<S>;
  /** A batch of every stream: [B, ...event]. */
  readonly data: Readonly<Record<D, Tensor>>;
  readonly key: Key;
  /** B: the rows of the batch, for draws of objectives that read no data (the sleep phase). */
  readonly rows: Rows;
  /** Scalars fed each step: arguments of objectives that follow a schedule. */
  readonly schedule: Readonly<Record<T, Tensor>>;
  /** What the update carries from step to step, as the step finds it: [chains, ...event]. `writeState` says what the next one finds. */
  readonly carried: Readonly<Record<string, Tensor>>;
}

/** How a carried value begins: drawn by the run's seed on the host, so it is the same on every engine. */
export type CarriedStart =
  | { readonly kind: "zeros" }
  /** 1 with probability p, 0.5 unless told. */
  | { readonly kind: "bernoulli"; readonly p?: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  /** Normal(0, scale), 1 unless told. */
  | { readonly kind: "normal"; readonly scale?: number }
  | { readonly kind: "categorical"; readonly classes: number }
  /** Distinct rows of the training data as far as they go; grey values of binary data are drawn. */
  | { readonly kind: "data"; readonly variable: string }
  /** Counts: as many as such a row of the training data holds, spread evenly over the entries. */
  | { readonly kind: "counts"; readonly variable: string };

/** A value that goes from one step, or sweep, to the next. */
export interface CarriedSpec {
  /** Of the whole value: [chains, ...event]. */
  readonly shape: Shape;
  /** There is one chain for each row of the batch: another batch size than the phase's replaces the first extent. */
  readonly perRow?: true;
  /**
   * The first axis counts replicas of the chains at other temperatures, [replicas, chains, ...event], the last of them the model's own. They start
   * alike: replicas of a chain of counts share its total.
   */
  readonly replicas?: number;
  readonly dtype: "f32" | "i32";
  readonly start: CarriedStart;
  /** Whose values these are: chains of a density's variable are what `gmc sample --start chains` begins with. */
  readonly of?: { readonly density: string; readonly variable: string };
}

/** `maximize ELBO(p, q) over …` */
export interface UpdateDefinition<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> {
  readonly direction: "maximize" | "minimize";
  /** As written: `ELBO(p, q)`. */
  readonly label: string;
  /** `vae.gm:18` */
  readonly place: string;
  /** Per example, [B] (or [] where it has no free data); the loop averages it. */
  readonly value: (context: StepContext<S, D, T>) => Tensor;
  /** What an evaluation shows where that is not `value` itself: of several orders, p the mean over all. */
  readonly measured?: (context: StepContext<S, D, T>) => Tensor;
  /** What is differentiated where that is not `value` itself (score-function estimators). */
  readonly surrogate?: (context: StepContext<S, D, T>) => Tensor;
  /**
   * The value stands for its gradient alone (log Z at samples of chains, score matching) and does not measure what the statement names: training
   * says so, evaluation leaves it out.
   */
  readonly gradientOnly?: boolean;
  /** The value is a quantity of the batch as a whole and no mean over rows (a discrepancy of samples): evaluation leaves it out. */
  readonly ofWholeBatch?: boolean;
  /** Rows that a batch must hold for a function of it. */
  readonly leastRows?: { readonly fn: string; readonly rows: number };
  /** Paths into `weights` that this statement moves: `decoder`, `q.block1`, `mu`. */
  readonly over: readonly string[];
  /**
   * A gradient step of rate 1 along `surrogate` sets the weights (an M-step of expectation maximisation): no other learning rate has a meaning. Of "all
   * rows", a step of the phase takes all training rows, whatever its batch; of a "batch", as many as the phase says.
   */
  readonly assigns?: "all rows" | "batch";
  readonly optimizer: OptimizerSpec;
  /** How many times a step runs it; each time on a fresh batch. */
  readonly steps?: number;
  /**
   * State of the objective itself, such as persistent chains: in the checkpoint, and masked like every write once a value is not finite.
   * A name stands for one value in the whole model: updates that give it alike share it, and a later phase goes on with it
   * (from a new start where its shape is another).
   */
  readonly carried?: Readonly<Record<string, CarriedSpec>>;
  /** Stages before the gradients, in order: they move what is carried. */
  readonly before?: readonly BeforeStage<S, D, T>[];
}

/** `times` runs of a function whose results, by the names of what the update carries, replace what is carried. */
export interface BeforeStage<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> {
  readonly name: string;
  readonly times: number;
  /** Its key differs from run to run; the batch, also one that is drawn afresh, is that of the step. */
  readonly run: (context: StepContext<S, D, T>) => Readonly<Record<string, Tensor>>;
}

export interface Constraint {
  /** Path into `weights`. */
  readonly over: string;
  readonly bound:
    | { readonly kind: "in"; readonly low: number; readonly high: number }
    | { readonly kind: "maxNorm"; readonly axis: number; readonly limit: number };
}

export interface PhaseDefinition<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> {
  /** Label of the `phase` block; "train" for the default one. */
  readonly name: string;
  readonly batch: number;
  /** One of both; `steps` wins. */
  readonly epochs?: number;
  readonly steps?: number;
  readonly updates: readonly UpdateDefinition<S, D, T>[];
  readonly constraints?: readonly Constraint[];
  readonly schedules?: Readonly<Record<string, Schedule>>;
  /** Moving average of the weights, used for evaluation and samples: its decay. */
  readonly ema?: number;
  readonly earlyStopping?: {
    readonly metric: string;
    readonly patience: number;
    readonly minDelta: number;
    /** Where the metric should go. Absent: up where an update maximises what has the metric's name, else down. */
    readonly goal?: "rise" | "fall";
  };
}

/** One line of `evaluate { … }`. */
export type MetricDefinition<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> =
  RowMetric<S, D, T> | ActiveUnitsMetric<S, D, T> | CodeUseMetric<S, D, T> | PartitionMetric<S, D, T> | SamplesMetric<S, D, T>;

interface MetricBase {
  /** As written: `-IWAE(p, q, k = 200)`. Part of the protocol. */
  readonly label: string;
  readonly place: string;
}

/** What a metric of rows is given while it is staged. */
export interface MetricContext<
  S extends WeightSpecs = WeightSpecs,
  D extends string = string,
  T extends string = string,
> extends StepContext<S, D, T> {
  /** log Z of each row, [B], by the names of the partition metrics that the metric reads. */
  readonly partition: Readonly<Record<string, Tensor>>;
}

/** A mean over the rows of the test data, with its standard error. */
export interface RowMetric<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> extends MetricBase {
  readonly kind: "rows";
  readonly unit: string;
  /** Per example [B], of `samples` samples (1 where the metric has no number of samples). */
  readonly value: (context: MetricContext<S, D, T>, samples: number) => Tensor;
  /** k as written; the command line's --k replaces it. Absent where the metric draws no family of samples. */
  readonly samples?: number;
  /**
   * How values of several chunks of samples combine, so that k = 5000 needs little memory: the log of the mean of the exponentials
   * (IWAE: log 1/C Σ exp v_c), its negative (-IWAE), or their mean. Absent: all samples are taken at once.
   */
  readonly combine?: "logMeanExp" | "negLogMeanExp" | "mean";
  /** What the value is such a logarithm times, above 0; 1 unless told: 1/784 of -IWAE(p, q, k = 5000) / 784. */
  readonly combineScale?: number;
  /** Names of partition metrics whose log Z it reads: they are measured first, and their standard error becomes part of this one's. */
  readonly partitions?: readonly string[];
  /** Only so many rows of the data, evenly spaced, since rows often lie sorted by class. */
  readonly rows?: number;
  /** Data variables that may be missing, and that a row must have to be measured; of a list, one at least. */
  readonly complete?: readonly (string | readonly string[])[];
  /** Counts that a row must have some of to be measured: a document without words has no word to weigh. */
  readonly words?: string;
  /** What is reported: the exponential of the mean (perplexity) in place of the mean. */
  readonly transform?: "exp";
  /**
   * Of log-probabilities of discrete values, "positive"; of their negatives, "negative": no row has a value of this sign, unless the log Z that it
   * reads is too low.
   */
  readonly impossible?: "positive" | "negative";
  /** "lower bound", "upper bound" (also "… of 0.5 log p", "… up to the error of log Z"), "exact", "estimate": what the number is to the quantity that its name promises. */
  readonly bound?: string;
  /** Where masked layers have several orders: p is the mean over so many. */
  readonly orders?: number;
  /**
   * Data variables whose log-density, or log-probability, the value is, each times what: `{ x: -1 }` of -log p(x). A density depends on the units
   * of the data, which are not those of the file where values were scaled; a probability does not.
   */
  readonly logDensityOf?: Readonly<Record<string, number>>;
  /** Of these variables, what their densities do to the values first: the steps of a flow at the side of the data. */
  readonly preparation?: Readonly<Record<string, Preparation>>;
}

/** What takes the values of a variable to where its flow starts to learn. The log-Jacobian of each step is part of the log-density. */
export interface Preparation {
  /** Noise under whole numbers 0 to levels - 1: the log-density is a lower bound of their log-probability. */
  readonly dequantisation?: Dequantisation;
  /** Maps of each entry onto another domain, from the data on: "logit". */
  readonly through?: readonly string[];
}

export interface Dequantisation {
  readonly noise: "uniform" | "variational";
  readonly levels: number;
  /** Room that is left free at both ends of the unit interval; none where absent. */
  readonly alpha?: number;
}

/** Number of latent units with Var_data(E_q[z | x]) > threshold (Burda et al. 2016). */
export interface ActiveUnitsMetric<
  S extends WeightSpecs = WeightSpecs,
  D extends string = string,
  T extends string = string,
> extends MetricBase {
  readonly kind: "activeUnits";
  readonly threshold: number;
  /** Posterior means by latent: [B, ...event]. */
  readonly mean: (context: StepContext<S, D, T>) => Readonly<Record<string, Tensor>>;
}

/** How many codes are in use: exp of the entropy of their frequencies over all rows and places (of several variables, of the mean of their entropies). */
export interface CodeUseMetric<
  S extends WeightSpecs = WeightSpecs,
  D extends string = string,
  T extends string = string,
> extends MetricBase {
  readonly kind: "codeUse";
  /** How many codes there are, by the name of what holds them. */
  readonly classes: Readonly<Record<string, number>>;
  /** By the same names: i32 [B, ...places]. */
  readonly codes: (context: StepContext<S, D, T>) => Readonly<Record<string, Tensor>>;
}

/** Samples of a density against the rows of the data, judged together: for densities without a likelihood. */
export interface SamplesMetric<
  S extends WeightSpecs = WeightSpecs,
  D extends string = string,
  T extends string = string,
> extends MetricBase {
  readonly kind: "samples";
  /** The data variable that is drawn. */
  readonly variable: string;
  /** A sample for each row, given the row's conditions: [B, ...event]. */
  readonly sample: (context: StepContext<S, D, T>) => Tensor;
  /** Data variables that the density is conditioned on; none unless told. Samples then take them from other rows than those that they are compared with. */
  readonly given?: readonly string[];
  /** Only so many rows of the data: evenly spaced, or by chance where the density has conditions. */
  readonly rows: number;
  readonly method:
    /** Squared maximum mean discrepancy, with the p-value of a permutation test. */
    | { readonly kind: "mmd"; readonly permutations: number }
    /** How many of known modes the samples cover; a sample within three scales of a centre belongs to it. */
    | { readonly kind: "modes"; readonly centres: readonly (readonly number[])[]; readonly scale: number }
    /** Rows that are clouds of points: whether the nearest neighbour tells drawn ones from real ones, how many real ones are reached, how closely. */
    | { readonly kind: "clouds"; readonly distance: "chamfer" | "emd" }
    /**
     * By a classifier that is trained on the data and their `labels` for so many `steps`: Frechet distance of its features, their precision and recall
     * by the `k`-th nearest neighbour, and the classes of samples against those of data, or against the labels that were asked for.
     */
    | { readonly kind: "classifier"; readonly labels: string; readonly steps: number; readonly k: number };
}

/** Conditions and statistics that a partition function is found for. */
export interface PartitionContext<S extends WeightSpecs = WeightSpecs> {
  readonly w: WeightsOf<S>;
  /** Draws of an iteration take `key.iterate(iteration)`. */
  readonly key: Key;
  /** Conditions that are measured side by side; 1 where log Z depends on nothing. */
  readonly conditions: number;
  /** Their values, [conditions, ...event]. */
  readonly given: Readonly<Record<string, Tensor>>;
  /** Of the training rows, entry by entry: [...event], of a category [...event, classes]. */
  readonly statistics: Readonly<Record<string, { readonly mean: Tensor; readonly variance: Tensor }>>;
  /** Of temperatures that a pilot run has spaced: those of each condition, inverse, [conditions, steps + 1]. */
  readonly betas?: Tensor;
  /** Of a reverse run: rows of the data that its chains start from, [conditions * chains, ...event], by variable. */
  readonly rows?: Readonly<Record<string, Tensor>>;
}

/** A computation by iteration. What it carries is state of the session while it runs, so memory does not grow with the iterations. */
export interface PartitionProgram<S extends WeightSpecs = WeightSpecs> {
  readonly iterations: number;
  readonly start: (context: PartitionContext<S>) => Readonly<Record<string, Tensor>>;
  /** The next values, by name; what is not among them stays. `iteration` is i32 [], from 0. */
  readonly step: (
    context: PartitionContext<S>,
    carried: Readonly<Record<string, Tensor>>,
    iteration: Tensor,
  ) => Readonly<Record<string, Tensor>>;
  /**
   * Log weights [conditions * n], n independent chains of the first condition before those of the second: log Z of a condition is the log of
   * the mean of their exponentials. An exact log Z has n = 1.
   */
  readonly result: (context: PartitionContext<S>, carried: Readonly<Record<string, Tensor>>) => Tensor;
}

export interface PartitionSettings {
  readonly chains: number;
  readonly temperatures: number;
  /** For the reverse run: sweeps before it. */
  readonly reverse?: number;
}

/** log Z of a density that is known up to it, by annealed importance sampling (Neal 2001) or exactly, and how far it may be off. */
export interface PartitionMetric<
  S extends WeightSpecs = WeightSpecs,
  D extends string = string,
  T extends string = string,
> extends MetricBase {
  readonly kind: "partition";
  readonly method: "ais" | "exact";
  /** Of ais: how its sweeps draw discrete units; "block", all units of a variable at once, where absent. Part of the protocol. */
  readonly sampler?: "single_site";
  /** Of ais: real variables that no conditional draws, and what moves them. Part of the protocol. */
  readonly moves?: { readonly kind: "hmc"; readonly variables: readonly string[] };
  /** Of ais, as written; the command line's --chains and --temperatures replace them. */
  readonly chains?: number;
  readonly temperatures?: number;
  /** Data variables whose training means and variances the program reads (base rates). */
  readonly statistics?: readonly string[];
  /**
   * Where log Z depends on the row (counts given their total, a condition): what it depends on, by name, [B, ...event]. It is found once for
   * each distinct value among the rows, and what is reported is the mean over the rows.
   */
  readonly given?: (context: StepContext<S, D, T>) => Readonly<Record<string, Tensor>>;
  /** With `given`: only so many rows of the data, evenly spaced. A metric that reads it takes no others either. */
  readonly rows?: number;
  /** Steps of a pilot run that tells how to space the temperatures, for each condition; evenly where absent. */
  readonly pilot?: number;
  /** Also a reverse run, from chains that have taken so many sweeps from rows of the data: its logs are of 1 / Z. */
  readonly reverse?: number;
  readonly program: (settings: PartitionSettings) => PartitionProgram<S>;
}

/** Values of a density's variables, and the means of their distributions where those have one. */
export interface Draw {
  readonly values: Readonly<Record<string, Tensor>>;
  /** E[variable | its parents]: pictures show this (pixel probabilities rather than coin flips). */
  readonly means: Readonly<Record<string, Tensor>>;
  /**
   * Of a density with flows, the locations of its Normal variables, from the top down: what samples of a lower temperature are drawn closer to. Empty
   * where some noise that flows map has no temperature.
   */
  readonly base?: Readonly<Record<string, Tensor>>;
}

/** A variable of a chain: its event shape, and how a row of it starts where nothing else is told. */
export type ChainVariable = Pick<CarriedSpec, "shape" | "dtype" | "start">;

/** How variables are drawn whose density is known up to its log Z: by a Markov chain, one for each row. */
export interface ChainDefinition<S extends WeightSpecs = WeightSpecs> {
  /** What the energy defines, in the order in which a sweep draws it. */
  readonly variables: Readonly<Record<string, ChainVariable>>;
  /** Sweeps of a sample, unless told. */
  readonly sweeps: number;
  /** What the energy is given besides: conditions, variables of the head that come before it. */
  readonly reads?: readonly string[];
  /** Variables of the head that the energy is given are drawn by this first, and then are among `given`; so are those that they are drawn from. */
  readonly before?: (w: WeightsOf<S>, key: Key, rows: Rows, given: Readonly<Record<string, Tensor>>) => Draw;
  /**
   * The values after one sweep, [B, ...event], of all variables that `given` does not hold: conditions are among `given`, and variables of the
   * chain that are clamped; so is the part of a variable that is held (`namedPart`), which the chain's own values need not have.
   */
  readonly sweep: (
    w: WeightsOf<S>,
    key: Key,
    values: Readonly<Record<string, Tensor>>,
    given: Readonly<Record<string, Tensor>>,
  ) => Readonly<Record<string, Tensor>>;
  /**
   * E[variable | the others and the conditions], [B, ...event], of those that have one in closed form; of a category the probabilities,
   * [B, ...event, classes].
   */
  readonly means: Readonly<Record<string, (w: WeightsOf<S>, values: Readonly<Record<string, Tensor>>) => Tensor>>;
  /** Asks, of the chain's values and the conditions, what a sample needs to mean anything (see graph/checks.ts). */
  readonly watch?: (w: WeightsOf<S>, values: Readonly<Record<string, Tensor>>) => void;
  /** The step of moves that are neither accepted nor refused: too long a one leads out of all numbers. */
  readonly unadjusted?: number;
  /** Variables of which parts can be held; none unless told. */
  readonly partly?: readonly string[];
}

/**
 * A variable of a density that is drawn entry by entry, each given the entries before it. Its event shape is [...positions, ...rest]: the first
 * `positionAxes` axes are positions, in raster order; what is at one position (channels, a vector) is drawn at once.
 */
export interface SequentialDefinition<S extends WeightSpecs = WeightSpecs> {
  readonly variable: string;
  /** Event shape of the variable, its type: as the variable's own. */
  readonly shape: Shape;
  readonly dtype: "f32" | "i32";
  readonly positionAxes: number;
  /** Order in which positions are drawn, over their raster numbers: as they lie unless told. */
  readonly order?: Order;
  /** Of an ensemble, its orders: a row is drawn in one of them by chance, which is an exact draw of the mean of p. The first is `order`. */
  readonly orders?: readonly Order[];
  /** What `params` is given besides the variable: conditions, variables of the head that come before it. */
  readonly reads?: readonly string[];
  /**
   * Variables of the head that it is given are drawn by this first, as with a chain, and then are among `given`; so are those of them that are drawn
   * entry by entry.
   */
  readonly before?: (w: WeightsOf<S>, key: Key, rows: Rows, given: Readonly<Record<string, Tensor>>) => Draw;
  /**
   * Parameters of the variable's distribution, [B, ...positions, ...] each, or of rank 0 where they are the same at all positions. `given` holds
   * `variable`, [B, ...shape], and what it reads. Entries from a position on do not move the parameters there: they may be anything finite.
   * `masks` is which of `orders` is taken; the first without it.
   */
  readonly params: (
    w: WeightsOf<S>,
    key: Key,
    given: Readonly<Record<string, Tensor>>,
    masks?: MaskChoice,
  ) => Readonly<Record<string, Tensor>>;
  /**
   * A draw of `shape`, [rows, 1 for each position axis, ...rest], from parameters at one position, [B, 1 for each position axis, ...]:
   * `bernoulli.sample(key, { logits: params.logits }, shape)`.
   */
  readonly draw: (params: Readonly<Record<string, Tensor>>, key: Key, shape: DrawShape) => Tensor;
  /**
   * At temperature T a draw is one from the parameters times T to these powers, by their names: `{ logits: -1 }` of a Bernoulli, which then has
   * p^(1/T), `{ scale: 1 }` of a Normal. Without it there is no temperature but 1.
   */
  readonly temperature?: Readonly<Record<string, number>>;
  /** E[entry | those before it] from parameters, of the same shape as a draw, where there is one: what pictures show. */
  readonly mean?: (params: Readonly<Record<string, Tensor>>) => Tensor;
}

/** How a density is drawn from. */
export interface DensityDefinition<S extends WeightSpecs = WeightSpecs> {
  /** Variables of the head, in order, and what they are conditioned on; a variable that is drawn given its own sum is among both. */
  readonly head: readonly string[];
  readonly given: readonly string[];
  readonly label: string;
  readonly place: string;
  /** Of a density whose latents are the inverse of flows: the data that these flows make, which come back as they were, but for rounding. */
  readonly exact?: readonly string[];
  /** Its head given all that it is given is that of the generative density itself: the inverse of a flow, a posterior in closed form. */
  readonly conditional?: true;
  /** Of such a density: variables of its head that may be among what it is given; it draws the others then. */
  readonly mayHold?: readonly string[];
  /** Of the generative density: what its variables read of one another, and those whose value is a function of what they read. */
  readonly reads?: Readonly<Record<string, readonly string[]>>;
  readonly made?: readonly string[];
  /** Where an energy stands in the density: its variables are drawn by a chain, and are given to `sample`, which draws the rest. */
  readonly chain?: ChainDefinition<S>;
  /**
   * Where variables are drawn entry by entry, in this order, each given those before it: they are given to `sample` once they are drawn, which
   * draws all others. Not together with a chain.
   */
  readonly sequential?: readonly SequentialDefinition<S>[];
  /**
   * Ancestral sampling of `rows` rows; variables in `given` are clamped (conditions must be among them). Of a variable that is drawn given its
   * own sum (counts given their total) only the sum is kept. Absent where a chain draws them all.
   */
  readonly sample?: (w: WeightsOf<S>, key: Key, rows: Rows, given: Readonly<Record<string, Tensor>>) => Draw;
  /**
   * Where all latents are summed out exactly: the mean of data variables given the data in `given`, E[c ~ p(c | x)](mean of p(x | c)), by name and of
   * shape [B, ...event] once repeated along axes that a conditional's parameters lack.
   */
  readonly means?: (w: WeightsOf<S>, given: Readonly<Record<string, Tensor>>, key: Key) => Readonly<Record<string, Tensor>>;
}

export interface ModelDefinition<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> {
  readonly name: string;
  readonly source: { readonly file: string; readonly sha256: string; readonly compiler: string };
  readonly hyperparameters: Readonly<Record<string, number | boolean | readonly number[]>>;
  readonly streams: readonly StreamSpec[];
  readonly latents: Readonly<Record<string, VariableSpec>>;
  readonly weights: S;
  readonly densities: Readonly<Record<string, DensityDefinition<S>>>;
  /** The density that samples come from (the model's joint), and the one that infers latents from data; absent where there is none. */
  readonly generative?: string;
  readonly inference?: string;
  /** A density that would infer latents, were its weights not those that it starts with: nothing trains them. */
  readonly untrained?: string;
  readonly train: readonly PhaseDefinition<S, D, T>[];
  readonly evaluate: Readonly<Record<string, MetricDefinition<S, D, T>>>;
  /** Parameters that start from values at the first batch; one whose values read another comes after it. */
  readonly starts?: readonly ValuesStart<S, D, T>[];
  /** Bijections that the model writes out, whose inverse is tried at the start of a training. */
  readonly roundTrips?: readonly RoundTrip<S>[];
}

/** `param codebook : real[K, D] init data(encoder(x))` */
export interface ValuesStart<S extends WeightSpecs = WeightSpecs, D extends string = string, T extends string = string> {
  /** Path of the parameter. */
  readonly of: string;
  readonly place: string;
  /** [B, ...event]; the parameter's shape ends in that of the event, or in its last axis: rows of it are whole values, or vectors of their last axis. */
  readonly values: (context: StepContext<S, D, T>) => Tensor;
}

export interface RoundTrip<S extends WeightSpecs = WeightSpecs> {
  readonly flow: string;
  readonly place: string;
  /** The side of z, and that of x. */
  readonly from: FlowSide;
  readonly to: FlowSide;
  /** Shapes of what it is conditioned on, by name; `e.loc` of a record. */
  readonly given?: Readonly<Record<string, Shape>>;
  /** `given`: values of those shapes, [rows, ...shape]. */
  readonly bijector: (context: { readonly w: WeightsOf<S>; readonly given: Readonly<Record<string, Tensor>> }) => TwoWays;
}

/** An event, and the domain that its entries lie in. */
export interface FlowSide {
  readonly event: Shape;
  readonly domain: "real" | "positive" | "unit";
}

/** The part of a bijection that a round trip needs. */
export interface TwoWays {
  readonly forward: (z: Tensor) => { readonly value: Tensor };
  readonly inverse: (x: Tensor) => { readonly value: Tensor };
}

/**
 * Types the definition by its weights, data names and schedule names, and erases them: whoever runs a model knows it by name only.
 * A generated file ends with it.
 */
export function defineModel<S extends WeightSpecs, D extends string = string, T extends string = string>(
  definition: ModelDefinition<S, D, T>,
): ModelDefinition {
  return definition as unknown as ModelDefinition;
}

/** A condition that a density's sampler needs: `y` of `density p(x, z | y)`. */
export function required(given: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const value = given[name];
  if (!value) throw new GmcError("GM4002", `a value of \`${name}\` is needed to draw from this density`, [`pass it: { ${name}: … }`]);
  return value;
}

const variable =
  (domain: DomainName) =>
  (shape: Shape = []): VariableSpec => ({ domain, shape });
export const real = variable("real");
export const positive = variable("positive");
export const unit = variable("unit");
export const binary = variable("binary");
export const count = variable("count");
export const byte = variable("byte");
export const simplex = variable("simplex");
export const category = (classes: number, shape: Shape = []): VariableSpec => ({ domain: "category", classes, shape });
/** A variable whose densities leave out the ends of its domain: a `Beta`'s data are above 0 and below 1. */
export const interior = (spec: VariableSpec, open: "low" | "both" = "both"): VariableSpec => ({ ...spec, open });
/** A variable whose values are zeros and one 1 along the last axis: what `OneHotCategorical` draws. */
export const unitVector = (spec: VariableSpec): VariableSpec => ({ ...spec, unitVector: true });
/** `binary[4, 4] at_most_one(2, 2)` */
export const atMostOne = (spec: VariableSpec, blocks: readonly number[]): VariableSpec => ({ ...spec, atMostOne: blocks });
/** Bytes 0..levels-1. */
export const quantized = (spec: VariableSpec, levels: number): VariableSpec => ({ ...spec, levels });
/** `category[10]?` */
export const optional = (spec: VariableSpec): VariableSpec => ({ ...spec, optional: true });
