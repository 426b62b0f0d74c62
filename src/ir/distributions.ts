/**
 * The distributions of the language. One entry each: parameters and the ways to give them, the domains it fits, the axes of one draw, what
 * derivation may use (pathwise gradients, enumeration), and the runtime object. The only place that knows which exist; a test holds the
 * table against `src/runtime/prob`.
 */
import type { DomainName } from "./types.js";

export type ParameterDomain = "real" | "positive" | "unit" | "simplex" | "count" | "lowerTriangular" | "covariance";

export interface DistributionParameter {
  readonly name: string;
  /** Name in the runtime and in the IR where it differs. */
  readonly runtime?: string;
  readonly domain: ParameterDomain;
  /** Axes of the parameter that belong to one draw: 1 for logits over classes, 2 for a matrix. */
  readonly rank: number;
  readonly fallback?: number;
  /** May be the sum of the entries that are drawn: the density is then that of the entries given their sum. */
  readonly ownSum?: boolean;
  /** One number may stand for a vector whose entries are all alike. */
  readonly repeats?: true;
  /**
   * A draw at temperature T has this parameter times T to this power, the others as they are. Of a distribution whose parameters, as they are given,
   * have none, no draw at a temperature is known: logits of what comes from p^(1/T), and scales, have one.
   */
  readonly temperature?: number;
}

export type DiscreteValues = "bits" | "unitVectors" | "classes";

/** Laws of src/runtime/map: soft threshold, shift and projection, projection. */
export type ProximalLaw = "laplace" | "exponential" | "uniform";

export interface Distribution {
  /** `Normal` */
  readonly name: string;
  /** Object of the runtime: `normal`. */
  readonly runtime: string;
  readonly doc: string;
  /** One list for each way to give the parameters; positional arguments fill the first. */
  readonly parameters: readonly (readonly DistributionParameter[])[];
  /** Domains whose variables may be drawn from it. */
  readonly domains: readonly DomainName[];
  /** Domains that it reaches beyond: a draw may fall outside, which is a warning. */
  readonly wider: readonly DomainName[];
  /** Ends of a domain, the lower one or both, at which its density is zero or infinite. */
  readonly open?: Partial<Record<DomainName, "low" | "both">>;
  /**
   * The few values that a draw can take: 0 or 1 entry by entry; vectors of zeros and one 1, the only values of their domain that have a
   * probability; one of some classes, which come as the last axis of the parameter of rank 1 and are no axis of the draw.
   */
  readonly values?: DiscreteValues;
  /** Axes of one draw: 1 for a vector of dependent entries. */
  readonly eventRank: number;
  /** How the axes of one draw follow from the parameters: the shape of a vector parameter, or the rows of a matrix. */
  readonly drawAxis?: string;
  readonly reparameterised: boolean;
  readonly discrete: boolean;
  /** x = loc + scale * noise of a fixed distribution. */
  readonly locScale: boolean;
  /** A temperature scales its noise: to the power of 1 / t^2, its density is of the same family, with t times the scale. */
  readonly tempered?: true;
  /** Parameters that bound the values of positive density: where they move, a score function misses what their samples at the ends do. */
  readonly edges?: readonly string[];
  /** Normal: with others whose locations are affine in what it draws it is jointly normal, so latents are integrated out and inferred exactly. */
  readonly gaussian?: true;
  readonly hasMean: boolean;
  /** It has one where this parameter is above the bound. */
  readonly meanAbove?: { readonly parameter: string; readonly bound: number };
  /** Its log-density has a kink or an edge, and a proximal operator in closed form: what `ista` does with a prior. */
  readonly proximal?: ProximalLaw;
  /** Parameters whose weighted maximum-likelihood estimate has a closed form given the others, in the order in which they are found (M-steps). */
  readonly fits?: readonly string[];
  /** Its first argument list ends with a distribution over which it mixes. */
  readonly mixes?: boolean;
}

const real = (name: string, fallback?: number, rank = 0): DistributionParameter => ({
  name,
  domain: "real",
  rank,
  ...(fallback === undefined ? {} : { fallback }),
});
const positive = (name: string, fallback?: number, rank = 0): DistributionParameter => ({
  name,
  domain: "positive",
  rank,
  ...(fallback === undefined ? {} : { fallback }),
});
const cooled = (parameter: DistributionParameter, temperature = 1): DistributionParameter => ({ ...parameter, temperature });
const unit = (name: string): DistributionParameter => ({ name, domain: "unit", rank: 0 });
const count = (name: string): DistributionParameter => ({ name, domain: "count", rank: 0 });
const total: DistributionParameter = { ...count("total"), ownSum: true };
const logits = cooled({ name: "logits", domain: "real", rank: 1 }, -1);
const probs: DistributionParameter = { name: "probs", domain: "simplex", rank: 1 };

type Entry = Pick<Distribution, "name" | "doc" | "parameters" | "domains"> & Partial<Distribution>;

function entry(e: Entry): Distribution {
  return {
    runtime: e.name.charAt(0).toLowerCase() + e.name.slice(1),
    wider: [],
    eventRank: 0,
    reparameterised: false,
    discrete: false,
    locScale: false,
    hasMean: true,
    ...e,
  };
}

/** loc + scale * noise over the whole line. */
function locScale(name: string, doc: string, more: Partial<Distribution> = {}): Distribution {
  return entry({
    name,
    doc,
    parameters: [[real("loc", 0), cooled(positive("scale", 1))]],
    domains: ["real"],
    wider: ["positive", "unit"],
    reparameterised: true,
    locScale: true,
    ...more,
  });
}

const table: readonly Distribution[] = [
  locScale("Normal", "normal with mean loc and standard deviation scale", {
    tempered: true,
    gaussian: true,
    fits: ["loc", "scale"],
  }),
  locScale("Laplace", "density exp(-|x - loc| / scale) / (2 scale)", { proximal: "laplace" }),
  locScale("Logistic", "its distribution function is sigmoid((x - loc) / scale)"),
  locScale("Cauchy", "Student's t with one degree of freedom; it has no mean", { hasMean: false }),
  locScale("Gumbel", "the limit of maxima: distribution function exp(-exp(-(x - loc) / scale))"),
  entry({
    name: "StudentT",
    doc: "Student's t with df degrees of freedom; it has a mean for df above 1",
    meanAbove: { parameter: "df", bound: 1 },
    parameters: [[positive("df"), real("loc", 0), cooled(positive("scale", 1))]],
    reparameterised: true,
    domains: ["real"],
    wider: ["positive", "unit"],
  }),
  entry({
    name: "MultivariateNormal",
    doc: "normal vector with mean loc and covariance L L^T, L = scale_tril lower triangular, or with its covariance",
    parameters: [
      [real("loc", undefined, 1), cooled({ name: "scale_tril", runtime: "scaleTril", domain: "lowerTriangular", rank: 2 })],
      [real("loc", undefined, 1), cooled({ name: "covariance", domain: "covariance", rank: 2 }, 2)],
    ],
    domains: ["real"],
    eventRank: 1,
    drawAxis: "loc",
    reparameterised: true,
    gaussian: true,
  }),
  entry({
    name: "LowRankNormal",
    doc: "normal vector with mean loc and covariance W^T W + diag(scale^2), W = factor [Z, D]",
    parameters: [
      [
        { ...real("loc", undefined, 1), repeats: true },
        cooled(real("factor", undefined, 2)),
        { ...cooled(positive("scale", undefined, 1)), repeats: true },
      ],
    ],
    domains: ["real"],
    eventRank: 1,
    drawAxis: "factor",
    reparameterised: true,
  }),
  entry({
    name: "LogNormal",
    doc: "exp of a normal(loc, scale)",
    parameters: [[real("loc", 0), cooled(positive("scale", 1))]],
    domains: ["positive"],
    wider: ["unit"],
    open: { unit: "low" },
    reparameterised: true,
    fits: ["loc", "scale"],
  }),
  entry({
    name: "HalfNormal",
    doc: "|x| of a normal(0, scale)",
    parameters: [[cooled(positive("scale", 1))]],
    domains: ["positive"],
    wider: ["unit"],
    reparameterised: true,
    fits: ["scale"],
  }),
  entry({
    name: "Exponential",
    doc: "density rate exp(-rate x)",
    parameters: [[positive("rate", 1)]],
    domains: ["positive"],
    wider: ["unit"],
    reparameterised: true,
    proximal: "exponential",
    fits: ["rate"],
  }),
  entry({
    name: "Gamma",
    doc: "mean concentration / rate",
    parameters: [[positive("concentration"), positive("rate", 1)]],
    reparameterised: true,
    domains: ["positive"],
    wider: ["unit"],
    open: { unit: "low" },
  }),
  entry({
    name: "Beta",
    doc: "density proportional to x^(alpha-1) (1-x)^(beta-1)",
    parameters: [[positive("alpha"), positive("beta")]],
    reparameterised: true,
    domains: ["unit"],
    open: { unit: "both" },
  }),
  entry({
    name: "Uniform",
    doc: "constant on low..high",
    parameters: [[real("low", 0), real("high", 1)]],
    edges: ["low", "high"],
    domains: ["real", "positive", "unit"],
    reparameterised: true,
    proximal: "uniform",
  }),
  entry({
    name: "Dirichlet",
    doc: "density over probability vectors proportional to prod x_k^(concentration_k - 1)",
    parameters: [[positive("concentration", undefined, 1)]],
    reparameterised: true,
    domains: ["simplex"],
    open: { simplex: "low" },
    eventRank: 1,
    drawAxis: "concentration",
  }),
  entry({
    name: "Bernoulli",
    doc: "0 or 1",
    parameters: [[cooled(real("logits"), -1)], [unit("probs")]],
    domains: ["binary"],
    values: "bits",
    fits: ["logits", "probs"],
    discrete: true,
  }),
  entry({
    name: "Categorical",
    doc: "one of K classes, 0..K-1",
    parameters: [[logits], [probs]],
    domains: ["category"],
    values: "classes",
    discrete: true,
    hasMean: false,
    fits: ["logits", "probs"],
  }),
  entry({
    name: "OneHotCategorical",
    doc: "one of K classes, as a vector of zeros and one 1",
    parameters: [[logits], [probs]],
    domains: ["binary", "simplex"],
    values: "unitVectors",
    eventRank: 1,
    drawAxis: "logits",
    discrete: true,
    fits: ["logits", "probs"],
  }),
  entry({
    name: "Poisson",
    doc: "counts with mean rate",
    parameters: [[positive("rate")]],
    domains: ["count"],
    wider: ["byte"],
    discrete: true,
    fits: ["rate"],
  }),
  entry({
    name: "Binomial",
    doc: "successes among total trials",
    parameters: [
      [count("total"), cooled(real("logits"), -1)],
      [count("total"), unit("probs")],
    ],
    domains: ["count", "byte"],
    discrete: true,
  }),
  entry({
    name: "NegativeBinomial",
    doc: "counted events, each of probability `probs`, before the `total`-th that is none; mean total probs / (1 - probs)",
    parameters: [
      [positive("total"), real("logits")],
      [positive("total"), unit("probs")],
    ],
    domains: ["count"],
    wider: ["byte"],
    discrete: true,
  }),
  entry({
    name: "Multinomial",
    doc: "counts of total draws over K classes; `x ~ Multinomial(sum(x), …)` is the density of counts given their total",
    parameters: [
      [total, logits],
      [total, probs],
    ],
    domains: ["count"],
    eventRank: 1,
    drawAxis: "logits",
    discrete: true,
    fits: ["logits", "probs"],
  }),
  entry({
    name: "DiscretizedLogistic",
    doc: "a logistic in the units of the bytes, loc and scale too: x of 0..255 has the mass of x - 1/2 to x + 1/2, 0 and 255 the tails beyond as well (Salimans et al. 2017)",
    parameters: [[real("loc"), cooled(positive("scale"))]],
    domains: ["byte"],
    discrete: true,
  }),
  entry({
    name: "LogisticMixture",
    doc: "mixture of logistics, entry by entry: logits, loc and scale have the components as their last axis",
    parameters: [[logits, real("loc", undefined, 1), cooled(positive("scale", undefined, 1))]],
    domains: ["real"],
    wider: ["positive", "unit"],
    reparameterised: true,
  }),
  entry({
    name: "DiscretizedLogisticMixture",
    doc: "mixture of discretized logistics in the units of the bytes 0..255, entry by entry: logits, loc and scale have the components as their last axis (Salimans et al. 2017)",
    parameters: [[logits, real("loc", undefined, 1), cooled(positive("scale", undefined, 1))]],
    domains: ["byte"],
    discrete: true,
  }),
  entry({
    name: "Delta",
    doc: "all mass at loc",
    parameters: [[real("loc")]],
    domains: ["real", "positive", "unit", "binary", "count", "byte", "simplex"],
    reparameterised: true,
  }),
  entry({
    name: "Mixture",
    doc: "a mixture: logits over K components, and one distribution whose parameters have the components as their last axis; of Normal and others with a smooth distribution function its draws follow the parameters (Figurnov et al. 2018)",
    parameters: [[logits], [probs]],
    domains: ["real", "positive", "unit", "binary", "count", "byte"],
    mixes: true,
  }),
];

export const distributions: ReadonlyMap<string, Distribution> = new Map(table.map((d) => [d.name, d]));

/** Components with a distribution function that is smooth in their parameters: a mixture of them is reparameterised by the implicit function. */
export const implicitComponents: ReadonlySet<string> = new Set([
  "Normal",
  "Logistic",
  "Laplace",
  "Gumbel",
  "LogNormal",
  "HalfNormal",
  "Exponential",
]);

/** What a call draws from, a mixture as what its components make of it. */
export function distributionOf({
  dist,
  of,
}: {
  readonly dist: string;
  readonly of?: { readonly dist: string } | undefined;
}): Distribution | undefined {
  const entry = distributions.get(dist);
  return entry?.mixes && of && implicitComponents.has(of.dist) ? { ...entry, reparameterised: true } : entry;
}

/** Words from papers and other libraries, as `Normal(mu = …)`. */
export const parameterSynonyms: Readonly<Record<string, string>> = {
  mu: "loc",
  mean: "loc",
  location: "loc",
  sigma: "scale",
  std: "scale",
  stddev: "scale",
  sd: "scale",
  p: "probs",
  prob: "probs",
  probability: "probs",
  logit: "logits",
  lambda: "rate",
  k: "concentration",
  shape: "concentration",
  a: "alpha",
  b: "beta",
  nu: "df",
  n: "total",
  total_count: "total",
  scaleTril: "scale_tril",
  cholesky: "scale_tril",
  cov: "covariance",
};

/** The distributions that people look for by another name. */
export const distributionSynonyms: Readonly<Record<string, string>> = {
  Gaussian: "Normal",
  N: "Normal",
  MVN: "MultivariateNormal",
  MultivariateGaussian: "MultivariateNormal",
  Discrete: "Categorical",
  Softmax: "Categorical",
  Student: "StudentT",
  T: "StudentT",
};

/** What to draw a variable of a domain from. */
export const usualDistribution: Readonly<Record<DomainName, string>> = {
  real: "Normal",
  positive: "LogNormal",
  unit: "Beta",
  binary: "Bernoulli",
  category: "Categorical",
  count: "Poisson",
  byte: "DiscretizedLogistic",
  simplex: "Dirichlet",
};
