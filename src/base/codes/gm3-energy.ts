/** GM36: what the analysis of an energy finds out. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Energy = {
  GM3601: code<{ variable: string; reason: string }>(
    "error",
    "Units of a variable interact",
    (a) => `the units of \`${a.variable}\` interact, so they cannot be drawn at once: ${a.reason}`,
  ),
  GM3602: code<{ variable: string; reason: string }>(
    "error",
    "Not affine in a discrete unit",
    (a) => `the energy is not affine in the units of \`${a.variable}\`: ${a.reason}`,
  ),
  GM3603: code<{ variable: string; reason: string }>(
    "error",
    "Category used other than as an index",
    (a) => `an energy takes the category \`${a.variable}\` as an index alone: ${a.reason}`,
  ),
  GM3604: code<{ variable: string }>(
    "error",
    "Real variable without a quadratic energy",
    (a) => `the energy is linear in \`${a.variable}\`: it cannot be normalised`,
  ),
  GM3605: code<{ variable: string }>(
    "error",
    "Energy of negative curvature",
    (a) => `the energy falls without end as \`${a.variable}\` grows: it cannot be normalised`,
  ),
  GM3606: code<{ variable: string }>(
    "warning",
    "Energy that is not seen to grow",
    (a) => `the energy may not be normalisable: nothing shows that it grows with \`${a.variable}\``,
  ),
  GM3607: code<{ variable: string; reason: string }>(
    "error",
    "Energy not linear in counts",
    (a) => `the energy is not linear in the counts \`${a.variable}\`: ${a.reason}`,
  ),
  GM3608: code<{ variable: string; domain: string; density: string }>(
    "error",
    "Domain without a law under an energy",
    (a) => `\`${a.variable}\` is \`${a.domain}\`, and no conditional is derived for it from the energy of \`${a.density}\``,
  ),
  GM3609: code<{ variable: string; density: string }>(
    "error",
    "Variable that no energy mentions",
    (a) => `neither a \`~\` nor an \`energy\` of \`${a.density}\` mentions \`${a.variable}\``,
  ),
  GM3610: code<{ density: string }>(
    "error",
    "Energy without variables",
    (a) => `no variable that the energy of \`${a.density}\` defines appears in this term of it`,
  ),
  GM3611: code<{ variable: string; density: string }>(
    "error",
    "Energy mentions a later variable",
    (a) => `the energy of \`${a.density}\` mentions \`${a.variable}\`, which is drawn after it`,
  ),
  GM3612: code<{ quantity: string; states: string }>(
    "error",
    "Intractable normaliser",
    (a) => `\`${a.quantity}\` has no exact form: ${a.states}`,
  ),
  GM3613: code<{ variable: string; reason: string }>(
    "error",
    "Conditional without a closed form",
    (a) => `the conditional of \`${a.variable}\` is not Normal: ${a.reason}`,
  ),
  GM3614: code<{ what: string }>("error", "Random energy", (a) => `\`${a.what}\` draws random numbers, and an energy has one value`),
  GM3615: code<{ variable: string; reason: string }>(
    "error",
    "Mean field without a closed form",
    (a) => `mean field has no update of \`${a.variable}\`: ${a.reason}`,
  ),
  GM3616: code<{ evaluator: string; density: string; reason: string }>(
    "error",
    "Monitor without a form",
    (a) => `\`${a.evaluator}\` of \`${a.density}\` has no form: ${a.reason}`,
  ),
  GM3617: code<{ variables: string }>(
    "error",
    "Energy flat in a direction",
    (a) => `the energy does not hold ${a.variables} in every direction: it cannot be normalised`,
  ),
  GM3618: code<{ variables: string; where: string }>(
    "warning",
    "Curvature of unknown sign",
    (a) => `the energy may not be normalisable: nothing shows that it holds ${a.variables} ${a.where}`,
  ),
  GM3619: code<{ density: string; lines: string }>(
    "error",
    "Several estimates of log Z",
    (a) => `${a.lines} each estimate log Z of \`${a.density}\`, and this line reads one`,
  ),
  GM3620: code<{ estimator: string; variable: string }>(
    "warning",
    "Kinks under score matching",
    (a) => `\`${a.estimator}\` does not see how this term bends: its second derivative in \`${a.variable}\` is 0 wherever there is one`,
  ),
  GM3621: code<{ variable: string; density: string }>(
    "error",
    "Hidden counts",
    (a) => `\`${a.variable}\` is hidden, and \`${a.density}\` is a distribution of counts given their total, which no row has`,
  ),
  GM3622: code<{ first: string; second: string; part: string }>(
    "error",
    "Two estimators of one part",
    (a) => `\`${a.first}\` and \`${a.second}\` both treat ${a.part}`,
  ),
  GM3623: code<{ variable: string }>(
    "error",
    "Bounded energy of a real variable",
    (a) => `the energy stays below some number however far \`${a.variable}\` goes: it cannot be normalised`,
  ),
  GM3624: code<{ variables: string }>(
    "warning",
    "Unit by unit where none meet",
    (a) => `\`sampler = single_site\` changes nothing: no two units of ${a.variables} meet`,
  ),
  GM3625: code<{ variables: string }>(
    "error",
    "Energy of indefinite curvature",
    (a) => `the energy falls without end in a direction of ${a.variables}: it cannot be normalised`,
  ),
  GM3627: code<{ quantity: string; counts: string; density: string }>(
    "error",
    "Counts without a total",
    (a) => `\`${a.quantity}\` sums ${a.counts} out, and \`${a.density}\` is a distribution of counts given their total`,
  ),
} as const satisfies Record<`GM36${string}`, CodeEntry<never>>;
