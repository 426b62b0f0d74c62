/**
 * Settings of `train`, optimisers and named evaluators: what exists, what each takes, the runtime's names. The only place that knows; a test
 * holds it against `src/runtime/train`.
 */

import { camel } from "../base/camel.js";
import type { Distribution } from "./distributions.js";
import { samplers } from "./estimators.js";
import type { Variable } from "./types.js";

export interface SettingArgument {
  readonly name: string;
  /** Name in the runtime and in the IR. */
  readonly runtime: string;
  readonly kind: "number" | "integer" | "several" | "boolean" | "rate" | "fraction" | "positive" | "objective" | "goal";
  readonly required?: boolean;
}

export interface OptimizerEntry {
  readonly name: string;
  readonly doc: string;
  readonly args: readonly SettingArgument[];
}

const arg = (name: string, kind: SettingArgument["kind"] = "number", runtime: string = camel(name)): SettingArgument => ({
  name,
  kind,
  runtime,
});

/** Every optimiser takes these. */
const shared: readonly SettingArgument[] = [
  arg("lr", "rate"),
  arg("clip_norm", "positive"),
  arg("clip_value", "positive"),
  arg("weight_decay"),
  arg("ema", "fraction"),
];
const adamArgs = [arg("beta1", "fraction"), arg("beta2", "fraction"), arg("epsilon")];

const optimizerTable: readonly OptimizerEntry[] = [
  { name: "sgd", doc: "w <- w - lr g", args: shared },
  {
    name: "momentum",
    doc: "gradient descent with momentum (Sutskever et al. 2013)",
    args: [...shared, arg("momentum", "fraction"), arg("nesterov", "boolean")],
  },
  { name: "adam", doc: "Kingma & Ba 2015", args: [...shared, ...adamArgs] },
  { name: "adamw", doc: "Adam with decoupled weight decay (Loshchilov & Hutter 2019)", args: [...shared, ...adamArgs] },
  { name: "adamax", doc: "Adam by the infinity norm (Kingma & Ba 2015)", args: [...shared, ...adamArgs] },
  {
    name: "rmsprop",
    doc: "Tieleman & Hinton 2012",
    args: [...shared, arg("decay", "fraction"), arg("momentum", "fraction"), arg("epsilon")],
  },
];

export const optimizers: ReadonlyMap<string, OptimizerEntry> = new Map(optimizerTable.map((o) => [o.name, o]));

export const optimizerSynonyms: Readonly<Record<string, string>> = {
  Adam: "adam",
  SGD: "sgd",
  learning_rate: "lr",
  eps: "epsilon",
  b1: "beta1",
  b2: "beta2",
  rate: "lr",
  alpha: "lr",
  wd: "weight_decay",
  rho: "decay",
};

export interface SettingEntry {
  readonly name: string;
  readonly runtime: string;
  readonly doc: string;
  readonly kind: "integer" | "number" | "fraction" | "positive" | "optimizer" | "earlyStopping" | "rate";
  /** Where it may stand. */
  readonly scope: "phase" | "update" | "both";
}

const settingTable: readonly SettingEntry[] = [
  { name: "optimizer", runtime: "optimizer", doc: "adam(lr = 1e-3), …", kind: "optimizer", scope: "both" },
  { name: "batch", runtime: "batch", doc: "rows a step", kind: "integer", scope: "phase" },
  { name: "epochs", runtime: "epochs", doc: "passes over the data", kind: "positive", scope: "phase" },
  {
    name: "steps",
    runtime: "steps",
    doc: "in a train block: steps in all; at a statement: how often a step runs it",
    kind: "integer",
    scope: "both",
  },
  { name: "lr", runtime: "lr", doc: "learning rate: a number or a schedule", kind: "rate", scope: "both" },
  {
    name: "clip_norm",
    runtime: "clipNorm",
    doc: "scales gradients so that their global norm is at most this",
    kind: "positive",
    scope: "both",
  },
  { name: "clip_value", runtime: "clipValue", doc: "limits each entry of the gradients", kind: "positive", scope: "both" },
  { name: "weight_decay", runtime: "weightDecay", doc: "pulls weights to zero", kind: "number", scope: "both" },
  {
    name: "ema",
    runtime: "ema",
    doc: "decay of a moving average of the weights, which evaluation then uses; at a statement: of the weights that it moves",
    kind: "fraction",
    scope: "both",
  },
  {
    name: "early_stopping",
    runtime: "earlyStopping",
    doc: "stops when a metric of the validation data no longer improves",
    kind: "earlyStopping",
    scope: "phase",
  },
];

export const settings: ReadonlyMap<string, SettingEntry> = new Map(settingTable.map((s) => [s.name, s]));

export const settingSynonyms: Readonly<Record<string, string>> = {
  batch_size: "batch",
  batchsize: "batch",
  learning_rate: "lr",
  optim: "optimizer",
  optimiser: "optimizer",
  num_epochs: "epochs",
  iterations: "steps",
  gradient_clipping: "clip_norm",
  patience: "early_stopping",
};

/** `early_stopping = (metric = nll, patience = 10)`; the metric is a line of `evaluate`. */
export const earlyStoppingArgs: readonly SettingArgument[] = [
  { name: "metric", runtime: "metric", kind: "objective", required: true },
  arg("patience", "integer"),
  arg("min_delta"),
  arg("goal", "goal"),
];

export interface EvaluatorEntry {
  readonly name: string;
  readonly doc: string;
  /** Arguments that are densities, in order. */
  readonly densities: readonly { readonly name: string; readonly required: boolean }[];
  /** Arguments that are data variables, after the densities: `is` says which. */
  readonly variables?: readonly { readonly name: string; readonly is: (variable: Variable) => boolean; readonly needs: string }[];
  readonly options: readonly SettingArgument[];
  /** Arguments that are one of some words, the first unless told. */
  readonly choices?: readonly { readonly name: string; readonly words: readonly string[] }[];
  /** What of the measured variable is more than a choice allows. */
  readonly tooMuch?: (variable: Variable, choices: Readonly<Record<string, string>>) => string | undefined;
  /** It is about the energy of a density, the only one of the model where none is named. */
  readonly ofEnergy?: true;
  /** It is about the log-density of the data that it measures, derived as `log p(x)` is: `by` says how. */
  readonly ofLikelihood?: true;
  /** In place of its density may stand an expression: whole numbers from 0 on, of which it is known how many there are. */
  readonly codes?: true;
  /** It draws a sample of the density for each row of the data. */
  readonly ofSamples?: true;
  /** It is about what a density infers from data; one that makes data of latents infers nothing. */
  readonly ofInference?: true;
  /** Which variables of the first density's head it measures; one at least must be. `dist`: what the variable is drawn from. */
  readonly measures: (variable: Variable, dist: Distribution | undefined) => boolean;
  /** "a latent with a mean" */
  readonly needs: string;
  /** Where training should take it. */
  readonly goal?: "rise" | "fall";
}

const isNumeric: EvaluatorEntry["measures"] = ({ role, domain }) => role === "data" && domain.name !== "category";
const isPlanar: EvaluatorEntry["measures"] = (variable, dist) =>
  isNumeric(variable, dist) && variable.domain.shape.length === 1 && variable.domain.shape[0]?.size === 2;

const isCloud: EvaluatorEntry["measures"] = (variable, dist) => isNumeric(variable, dist) && variable.domain.shape.length === 2;
/** Points of a cloud that are assigned exactly, at most. */
const MOST_POINTS = 2048;

const evaluatorTable: readonly EvaluatorEntry[] = [
  {
    name: "active_units",
    doc: "latent units whose posterior mean varies over the data: Var(E[z | x]) > threshold (Burda et al. 2016)",
    densities: [{ name: "q", required: true }],
    options: [arg("threshold")],
    ofInference: true,
    measures: ({ role }, dist) => role === "latent" && dist?.hasMean === true,
    needs: "a latent whose distribution has a mean",
    goal: "rise",
  },
  {
    name: "code_use",
    doc: "how many codes are in use: exp of the entropy of their frequencies over all rows and places, with how many occur and, of several places, the mean at one place (van den Oord et al. 2017): of latents of `q` that are categories, one draw a row, or of codes themselves, `code_use(nearest_code(encoder(x), codebook))`; training shows it for each batch",
    densities: [{ name: "q", required: true }],
    codes: true,
    options: [],
    measures: ({ role }, dist) => role === "latent" && (dist?.values === "classes" || dist?.values === "unitVectors"),
    needs: "a latent that is one of some classes",
    goal: "rise",
  },
  {
    name: "reconstruction",
    doc: "squared error of the mean of the data given a draw of the latents; labels are left out",
    densities: [
      { name: "p", required: true },
      { name: "q", required: true },
    ],
    options: [],
    measures: ({ role, domain }) => role === "data" && domain.name !== "category",
    needs: "data other than labels",
    goal: "fall",
  },
  {
    name: "ais",
    doc: "log Z of a density's energy by annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008); with `reverse`, also backwards from chains that took so many sweeps from the data: an upper bound beside the lower one (Grosse et al. 2015); with `pilot`, temperatures spaced by a pilot run of so many steps; `sampler = single_site` says that units which meet are drawn one after another, as results tell; real variables without a conditional in closed form take Hamiltonian trajectories of `leapfrog` steps (5), whose length a run before tunes",
    densities: [{ name: "p", required: false }],
    ofEnergy: true,
    choices: [{ name: "sampler", words: samplers }],
    options: [
      arg("chains", "integer"),
      arg("temperatures", "integer"),
      arg("rows", "integer"),
      arg("reverse", "integer"),
      arg("pilot", "integer"),
      arg("leapfrog", "integer"),
    ],
    measures: () => true,
    needs: "a variable",
  },
  {
    name: "perplexity",
    doc: "exp of the mean of -log p(x) / N over documents x of N words, in the order in which these stand (Salakhutdinov & Hinton 2009); `rows`: of so many, evenly spaced",
    densities: [{ name: "p", required: true }],
    options: [arg("rows", "integer")],
    ofLikelihood: true,
    measures: ({ role, domain }) => role === "data" && domain.name === "count",
    needs: "data that are counts",
    goal: "fall",
  },
  {
    name: "pseudo_likelihood",
    doc: "log-probability of each observed binary unit or label given the others, summed (Besag 1975): a cheap monitor of an energy",
    densities: [{ name: "p", required: false }],
    ofEnergy: true,
    options: [],
    measures: ({ role, domain }) => role === "data" && (domain.name === "binary" || domain.name === "category"),
    needs: "binary data or labels",
    goal: "rise",
  },
  {
    name: "reconstruction_error",
    doc: "squared error of the first data variable after a step to the hidden units, ten where these meet, and back: a cheap monitor of an energy",
    densities: [{ name: "p", required: false }],
    ofEnergy: true,
    options: [],
    measures: ({ role }) => role === "data",
    needs: "data",
    goal: "fall",
  },
  {
    name: "mmd_test",
    doc: "squared maximum mean discrepancy between samples and data with a Gaussian kernel as wide as the data's median distance, and the p-value of a permutation test (Gretton et al. 2012): of `rows` rows (500), by `permutations` (200). It compares entry with entry: of points in no order take `cloud_test`",
    densities: [{ name: "p", required: true }],
    options: [arg("rows", "several"), arg("permutations", "integer")],
    ofSamples: true,
    measures: isNumeric,
    needs: "data other than labels",
  },
  {
    name: "ring_modes",
    doc: "how many of `modes` (8) modes on a circle of `radius` (2.83) samples cover, and the share of samples within three `scale`s (0.35) of one: of `rows` samples (2500); a covered mode holds a fifth of its even share, and half of the samples nearest to it",
    densities: [{ name: "p", required: true }],
    options: [arg("modes", "integer"), arg("radius"), arg("scale"), arg("rows", "integer")],
    ofSamples: true,
    measures: isPlanar,
    needs: "data of two numbers a row",
  },
  {
    name: "grid_modes",
    doc: "how many of `side` x `side` (5) modes on a grid around 0, `spacing` (2) apart, samples cover, and the share of samples within three `scale`s (0.05) of one: of `rows` samples (2500); a covered mode is as of `ring_modes`",
    densities: [{ name: "p", required: true }],
    options: [arg("side", "integer"), arg("spacing"), arg("scale"), arg("rows", "integer")],
    ofSamples: true,
    measures: isPlanar,
    needs: "data of two numbers a row",
  },
  {
    name: "cloud_test",
    doc: "of clouds of points: how often the nearest other cloud is of the same kind, drawn or real (1/2 where they cannot be told apart), the share of real clouds that are the nearest of a drawn one, and the mean distance of a real cloud to its nearest drawn one (Achlioptas et al. 2018; Yang et al. 2019); `distance`: `chamfer`, or `emd` for the earth mover's; of `rows` rows (100)",
    densities: [{ name: "p", required: true }],
    options: [arg("rows", "several")],
    choices: [{ name: "distance", words: ["chamfer", "emd"] }],
    tooMuch: ({ domain }, { distance }) =>
      distance === "emd" && (domain.shape[0]?.size ?? 0) > MOST_POINTS
        ? `an exact assignment takes at most ${MOST_POINTS.toLocaleString("en")} points a cloud, and these have ${domain.shape[0]?.size}`
        : undefined,
    ofSamples: true,
    measures: isCloud,
    needs: "data that are sets of points, such as `real[128, 3]`",
  },
  {
    name: "classifier_test",
    doc: "squared Frechet distance between samples and data in the features of a classifier that is trained on the data and their labels `y` for `steps` (1000), with its accuracy; beside it precision and recall by the `k`-th nearest neighbour (3; Kynkaanniemi et al. 2019) the classes of the samples, and, of a density given `y`, the share that is classified as asked: of `rows` rows (2000)",
    densities: [{ name: "p", required: true }],
    variables: [
      {
        name: "y",
        is: ({ role, domain }) => role === "data" && domain.name === "category" && domain.shape.length === 0 && !domain.optional,
        needs: "data that are a category of each row, none of them missing",
      },
    ],
    options: [arg("rows", "several"), arg("steps", "integer"), arg("k", "integer")],
    ofSamples: true,
    measures: isNumeric,
    needs: "data other than labels",
  },
];

export const evaluators: ReadonlyMap<string, EvaluatorEntry> = new Map(evaluatorTable.map((e) => [e.name, e]));
