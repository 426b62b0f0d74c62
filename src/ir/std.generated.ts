/** The standard library, embedded from std/*.gm by scripts/build-std.mjs. Do not edit. */
import type { SourceFile } from "../base/source.js";

export const stdSources: readonly SourceFile[] = [
  {
    path: "std/objectives.gm",
    text: [
      "// Objectives of the standard library. Names other than the arguments are roles: `z` stands for all that q draws, `x` for the rest of p's",
      "// variables, which must be observed. Conditions of p and q (the digit of a conditional model) are added wherever they are needed.",
      "",
      "/// Evidence lower bound: log p(x) - KL(q(z | x), p(z | x)). With beta other than 1 the weighted bound of the beta-VAE, and with a schedule KL warm-up.",
      "/// Kingma & Welling 2014, eq. 3; Higgins et al. 2017, eq. 4; Bowman et al. 2016, section 3.1.",
      "objective ELBO(p, q, beta = 1) = E[z ~ q(z | x)](log p(x | z) + beta * (log p(z) - log q(z | x)))",
      "",
      "/// Importance-weighted bound with k samples: it rises with k towards log p(x).",
      "/// Burda, Grosse & Salakhutdinov 2016, eq. 8.",
      "objective IWAE(p, q, k = 5) = E[z[1..k] ~ q(z | x)](logmeanexp[i in 1..k](log p(x, z[i]) - log q(z[i] | x)))",
      "",
      "/// Variational Rényi bound of order alpha (not 1) with k samples: alpha = 0 is the importance-weighted bound, alpha near 1 the evidence lower bound.",
      "/// Li & Turner 2016, eq. 14.",
      "objective VR(p, q, alpha = 0.5, k = 5) =",
      "  E[z[1..k] ~ q(z | x)](logmeanexp[i in 1..k]((1 - alpha) * (log p(x, z[i]) - log q(z[i] | x))) / (1 - alpha))",
      "",
      "/// Wake phase: the generative model learns from the recognition model's explanations of data.",
      "/// Hinton, Dayan, Frey & Neal 1995.",
      "objective Wake(p, q) = E[z ~ q(z | x)](log p(x, z))",
      "",
      "/// Sleep phase: the recognition model learns to explain the generative model's dreams.",
      "/// Hinton, Dayan, Frey & Neal 1995.",
      "objective Sleep(p, q) = E[x, z ~ p(x, z)](log q(z | x))",
      "",
      "/// Log-likelihood of the observed variables; what is latent is summed or integrated out where that has an exact form.",
      "objective LogLikelihood(p) = log p(x)",
      "",
    ].join("\n"),
  },
];
