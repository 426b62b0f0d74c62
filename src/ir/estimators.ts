/**
 * The estimators that `by` may name: which part of an objective each treats, and its options. The only place that knows.
 *
 *     latent      how one draw of an `E` gets its gradient
 *     data        how the hidden variables of an energy are treated given the data, where they do not sum out (the positive phase)
 *     model       how the gradient of log Z is estimated (the negative phase)
 *     partition   how the value of log Z is estimated, in `evaluate`
 *     matching    what is trained in place of the likelihood of an energy
 *     optimum     how a maximum over continuous latents is found
 *     update      what moves the weights in place of a gradient step
 */
import { InternalError } from "../base/internal-error.js";
import { mapEstimators } from "./estimators-map.js";
import { latentEstimators } from "./latent-estimators.js";

export type EstimatorRole = "latent" | "data" | "model" | "partition" | "matching" | "optimum" | "update";

export type OptionValue = number | string | boolean;
export type Options = Readonly<Record<string, OptionValue>>;

export interface EstimatorOption {
  readonly name: string;
  readonly kind: "integer" | "number" | "choice" | "flag" | "expression" | "density";
  /** Where it is not given. */
  readonly value: OptionValue;
  /** Of a choice; of a density, names that stand for none of the model's. */
  readonly values?: readonly string[];
  /** The least whole number; 1 where absent. */
  readonly least?: number;
  /** Of a number that must not be 0. */
  readonly positive?: true;
  /** Of a number: it stays below this. */
  readonly below?: number;
  /** Of a number that may follow a schedule. */
  readonly scheduled?: boolean;
  /** Of a choice in whose place an expression may stand. */
  readonly expression?: true;
  readonly doc: string;
}

/** What goes by the entry of an estimator, besides its options: that one of its role has it, and others of the role have not. */
export interface EstimatorTraits {
  /** Of role data: a factorised posterior, for energies that are affine in each hidden unit, or a sample by sweeps. */
  readonly hidden?: "meanField" | "gibbs";
  /** Of role model: its chains have values of their own from step to step (where an option `start` does not say otherwise), and do not begin at the data. */
  readonly persistent?: true;
  /** Of role model: how real variables move along the energy's gradient. */
  readonly moves?: "langevin" | "hmc";
  /** Of role matching: the runtime's function, whether it is descended, and what results call the number that stands in place of -log p. */
  readonly objective?: { readonly fn: string; readonly loss: boolean; readonly title: string };
  /** Of role matching: against noise, in any variables; others are of the score of one real variable. */
  readonly againstNoise?: true;
  /** Of role matching: made of second derivatives of the energy, which kinks do not have. */
  readonly ofCurvature?: true;
  /** Of role optimum: takes kinks and edges as they come, without proximal operators. */
  readonly takesKinks?: true;
}

export interface EstimatorEntry extends EstimatorTraits {
  readonly name: string;
  /** Names that papers have for it, in small letters, and how each is written here. */
  readonly also?: Readonly<Record<string, string>>;
  readonly role: EstimatorRole;
  readonly doc: string;
  readonly options: readonly EstimatorOption[];
  /** Why options do not go together, and what would; `given` are those that are written. */
  readonly conflict?: (options: Options, given: Options) => readonly [problem: string, help: string] | undefined;
}

const integer = (name: string, value: number, doc: string): EstimatorOption => ({ name, kind: "integer", value, doc });
const number = (name: string, value: number, doc: string): EstimatorOption => ({ name, kind: "number", value, doc });
const sweeps = (value: number): EstimatorOption => integer("k", value, "transitions a step");
/** How a sweep visits the units of discrete variables. */
export const samplers: readonly string[] = ["block", "single_site"];
const sampler: EstimatorOption = {
  name: "sampler",
  kind: "choice",
  value: "block",
  values: samplers,
  doc: "whole layers at once, or unit by unit where a layer's units meet",
};
const chains = integer("chains", 100, "persistent chains");
const start: EstimatorOption = {
  name: "start",
  kind: "choice",
  value: "persistent",
  values: ["persistent", "noise", "data"],
  doc: "where the chains of a step begin: where the last step left them, at noise, or at the rows of the batch, one each",
};
const scale: EstimatorOption = {
  ...number("scale", 1, "deviation of the Normal noise that real variables begin at"),
  positive: true,
};
const step = (value: number, doc: string): EstimatorOption => ({ ...number("step", value, doc), positive: true });

/** Options of chains that have no place where these begin at the data. */
function startConflict(options: Options, given: Options): readonly [string, string] | undefined {
  const idle = options["start"] === "data" ? ["chains", "scale"].find((name) => given[name] !== undefined) : undefined;
  return idle === undefined
    ? undefined
    : [
        `\`${idle}\` has no meaning with \`start = data\`: each row of the batch begins one chain`,
        `leave \`${idle}\` out, or use \`start = noise\``,
      ];
}

function langevinConflict(options: Options, given: Options): readonly [string, string] | undefined {
  if (options["metropolis"] === true && options["noise"] !== 1)
    return [
      `\`noise = ${options["noise"]}\` does not go with steps that are accepted or refused: these have their own noise, 1`,
      `add \`metropolis = false\`, or leave \`noise\` out`,
    ];
  return startConflict(options, given);
}

/** The option of `nce` that names a density, and its value where none is named. */
export const NOISE = "noise";
export const FITTED = "fitted";

const table: readonly EstimatorEntry[] = [
  ...latentEstimators,
  { name: "cd", role: "model", doc: "contrastive divergence: k Gibbs sweeps from the data (Hinton 2002)", options: [sweeps(1), sampler] },
  {
    name: "pcd",
    role: "model",
    doc: "persistent chains, k Gibbs sweeps a step (Tieleman 2008; Younes 1999)",
    persistent: true,
    options: [sweeps(1), chains, sampler],
  },
  {
    name: "tempering",
    role: "model",
    doc:
      "persistent chains with replicas at inverse temperatures evenly spaced from 0 (independent units: discrete ones uniform, real ones standard Normal) to 1 " +
      "(the model), k sweeps of all and exchanges of neighbours a step (Swendsen & Wang 1986; Desjardins et al. 2010)",
    persistent: true,
    options: [
      sweeps(1),
      chains,
      { ...integer("temperatures", 10, "replicas of each chain, the hottest at inverse temperature 0, the last at 1"), least: 2 },
      sampler,
    ],
  },
  {
    name: "langevin",
    role: "model",
    doc: "chains whose real variables take k Langevin steps a step (Parisi 1981; Grenander & Miller 1994), the others Gibbs sweeps",
    persistent: true,
    moves: "langevin",
    options: [
      sweeps(20),
      chains,
      step(0.01, "deviation of a step's noise; its drift is half its square times the gradient"),
      {
        name: "metropolis",
        kind: "flag",
        value: true,
        doc: "steps are accepted or refused, so that the energy's own distribution is left invariant (Roberts & Tweedie 1996)",
      },
      number(
        "noise",
        1,
        "without `metropolis`: the noise as a multiple of that of the dynamics; below 1 the walk is that of a colder energy (Nijkamp et al. 2019)",
      ),
      start,
      scale,
    ],
    conflict: langevinConflict,
  },
  {
    name: "hmc",
    role: "model",
    doc: "chains whose real variables take k Hamiltonian trajectories a step (Duane et al. 1987; Neal 2011), the others Gibbs sweeps",
    persistent: true,
    moves: "hmc",
    options: [sweeps(1), chains, step(0.1, "step size of the leapfrog"), integer("leapfrog", 10, "steps of a trajectory"), start, scale],
    conflict: startConflict,
  },
  {
    name: "mean_field",
    role: "data",
    doc: "a factorised posterior by fixed-point updates: a lower bound (Salakhutdinov & Hinton 2009)",
    hidden: "meanField",
    options: [
      integer("steps", 10, "updates of every variable"),
      { ...number("damping", 0, "share of the old value that is kept"), below: 1 },
    ],
  },
  {
    name: "gibbs",
    role: "data",
    doc: "a sample of the hidden variables given the data, after that many sweeps",
    hidden: "gibbs",
    options: [integer("steps", 10, "sweeps"), sampler],
  },
  {
    name: "ais",
    role: "partition",
    doc: "annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008)",
    options: [
      integer("chains", 100, "runs"),
      integer("temperatures", 1000, "intermediate distributions"),
      { ...integer("pilot", 0, "steps of a pilot run that spaces the temperatures; 0: evenly"), least: 0 },
      sampler,
      integer(
        "leapfrog",
        5,
        "steps of the trajectories of real variables that have no conditional in closed form; their length is tuned by a run before",
      ),
    ],
  },
  {
    name: "score_matching",
    role: "matching",
    doc: "Hyvarinen 2005: needs no samples and no log Z",
    objective: { fn: "scoreMatching", loss: true, title: "score matching loss" },
    ofCurvature: true,
    options: [],
  },
  {
    name: "denoising_score_matching",
    role: "matching",
    doc: "Vincent 2011: the score of data with Gaussian noise",
    objective: { fn: "denoisingScoreMatching", loss: true, title: "denoising score matching loss" },
    options: [{ ...number("sigma", 0.1, "standard deviation of the noise"), positive: true }],
  },
  {
    name: "nce",
    role: "matching",
    doc:
      "noise-contrastive estimation (Gutmann & Hyvarinen 2010); where Z differs from row to row, with a condition or the total of counts, each row is " +
      "ranked among noise of its own (Ma & Collins 2018)",
    objective: { fn: "contrastWithBase", loss: false, title: "noise-contrastive loss" },
    againstNoise: true,
    options: [
      integer("ratio", 1, "noise samples for each of the data"),
      {
        name: NOISE,
        kind: "density",
        value: FITTED,
        values: [FITTED],
        doc: "a density of the model over the same variables, or independent units with the means and variances of the batch",
      },
    ],
  },
  ...mapEstimators,
];

export const estimators: ReadonlyMap<string, EstimatorEntry> = new Map(table.map((e) => [e.name, e]));

/** An option that the table makes a number. */
export function numberOption(options: Options, name: string): number {
  const value = options[name];
  if (typeof value !== "number") throw new InternalError(`the option ${name} is no number`);
  return value;
}

/** Names for help: those of some roles, or all. */
export function estimatorNames(...roles: readonly EstimatorRole[]): readonly string[] {
  return table.filter((e) => roles.length === 0 || roles.includes(e.role)).map((e) => e.name);
}
