/**
 * The estimators of a maximum over continuous latents, `max[z](log p(x, z)) by ista(steps = 50)`, and expectation maximisation, `log p(x) by em`.
 * Part of the table in estimators.ts.
 */
import type { EstimatorEntry, EstimatorOption } from "./estimators.js";

const steps: EstimatorOption = { name: "steps", kind: "integer", value: 50, doc: "steps from where the latents begin" };
const warm: EstimatorOption = {
  name: "warm",
  kind: "flag",
  value: false,
  doc: "begin where the update before it left the latents of the same batch, not at 0; in `evaluate` it has no meaning",
};

export const mapEstimators: readonly EstimatorEntry[] = [
  {
    name: "ista",
    role: "optimum",
    doc: "proximal gradient ascent: a step of the smooth part, then the prior's soft threshold or projection (Daubechies et al. 2004)",
    options: [steps, warm],
  },
  { name: "fista", role: "optimum", doc: "the same with momentum (Beck & Teboulle 2009)", options: [steps, warm] },
  {
    name: "adam",
    role: "optimum",
    doc: "Adam on the latents, for log-densities that no step size fits (Kingma & Ba 2015)",
    takesKinks: true,
    options: [steps, { name: "lr", kind: "number", value: 0.1, positive: true, doc: "learning rate of the latents" }, warm],
  },
  {
    name: "em",
    role: "update",
    doc: "expectation maximisation (Dempster et al. 1977): every parameter at its weighted maximum-likelihood estimate, in closed form; hard where the latents are maximised over",
    options: [
      {
        name: "decay",
        kind: "number",
        value: 0,
        doc: "above 0, steps take batches: the share of the past that averages of sums and counts keep",
      },
      { name: "smooth", kind: "number", value: 1e-5, doc: "with `decay`: what is added to each averaged count, their total kept" },
      {
        name: "restart",
        kind: "number",
        value: 0,
        doc: "with `decay`: a location that an index picks, and that counts for less than this share of what they count on average, starts again at a row of the batch (Dhariwal et al. 2020, section 3.1)",
      },
    ],
    conflict: (options, given) => {
      if (Number(options["decay"]) >= 1)
        return [`\`decay\` is below 1, not ${options["decay"]}`, "`em(decay = 0.99)` keeps 99 % of the past"];
      if (Number(options["restart"]) < 0 || Number(options["restart"]) >= 1)
        return [`\`restart\` is a share from 0 to below 1, not ${options["restart"]}`, "`em(decay = 0.99, restart = 0.1)`"];
      const [alone] = options["decay"] === 0 ? ["smooth", "restart"].filter((name) => given[name] !== undefined) : [];
      return alone === undefined
        ? undefined
        : [
            `\`${alone}\` is for averages over steps`,
            `add a decay, \`em(decay = 0.99, ${alone} = ${options[alone]})\`, or leave it out: a step of all rows needs none`,
          ];
    },
  },
];
