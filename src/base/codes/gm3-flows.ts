/** Flows: GM2071 on, names, domains and shapes of their chains; GM37, the change of variables. */
import { code, type CodeEntry } from "./entry.js";

export const gm2Flows = {
  GM2071: code<{ name: string; what: string }>("error", "No bijection", (a) => `\`${a.name}\` cannot be a step of a flow: it is ${a.what}`),
  GM2072: code<{ what: string; expected: string; found: string }>(
    "error",
    "Steps of a flow that do not meet",
    (a) => `${a.what} maps from ${a.expected}, and what stands before it gives ${a.found}`,
  ),
  GM2073: code<{ what: string; from: string; to: string; found: string }>(
    "error",
    "Conditioner of the wrong shape",
    (a) => `the net of ${a.what} must map ${a.from} to ${a.to}, and it gives ${a.found}`,
  ),
  GM2074: code<{ what: string; shape: string; mask: string }>(
    "error",
    "Nothing to split",
    (a) => `\`${a.what}\` keeps a part of its input and changes the rest: ${a.shape} cannot be split so by the mask "${a.mask}"`,
  ),
  GM2075: code<{ name: string; expected: string; found: string }>(
    "error",
    "Flow that ends elsewhere",
    (a) => `the flow \`${a.name}\` is declared onto ${a.expected}, and its chain ends in ${a.found}`,
  ),
  GM2076: code<{ flow: string; direction: string; expected: string; found: string }>(
    "error",
    "Flow of another shape",
    (a) => `\`${a.flow}${a.direction}\` maps from ${a.expected}, found ${a.found}`,
  ),
  GM2077: code<{ flow: string; wanted: string; given: number }>("error", "Conditions of a flow", (a) =>
    a.wanted === ""
      ? `the flow \`${a.flow}\` has no conditions, found ${a.given}`
      : `the flow \`${a.flow}\` is conditioned on ${a.wanted}, found ${a.given} value${a.given === 1 ? "" : "s"} after \`|\``,
  ),
  GM2078: code<{ name: string; first: string; second: string }>(
    "error",
    "Flow conditioned on two shapes",
    (a) => `the flow \`${a.name}\` is one instance: it was conditioned on ${a.first}, here on ${a.second}`,
  ),
  GM2079: code<{ name: string; role: string; flow: string }>(
    "error",
    "Flow reads a variable",
    (a) => `\`${a.name}\` is ${a.role} of the model, out of reach for the flow \`${a.flow}\``,
  ),
  GM2080: code<{ what: string }>(
    "error",
    "Conditioner that draws",
    (a) => `${a.what} draws random numbers: going back would not undo going forth`,
  ),
  GM2081: code<{ flow: string; formal: string }>(
    "error",
    "Argument of a flow",
    (a) => `\`${a.formal}\` is no argument that the flow \`${a.flow}\` can have here`,
  ),
  GM2083: code<{ flow: string; problem: string }>(
    "error",
    "Flow that is written out",
    (a) => `the flow \`${a.flow}\` cannot be written out so: ${a.problem}`,
  ),
  GM2082: code<{ by: string }>(
    "error",
    "Noise of a dequantisation",
    (a) => `the noise of \`dequantize\` is made by a flow of the model ${a.by}`,
  ),
} as const satisfies Record<`GM2${string}`, CodeEntry<never>>;

export const gm3Flows = {
  GM3701: code<{ quantity: string; flow: string; direction: string; step: string }>(
    "error",
    "Flow without that direction",
    (a) => `\`${a.quantity}\` needs ${a.direction} of the flow \`${a.flow}\`, and \`${a.step}\` has none`,
  ),
  GM3702: code<{ quantity: string; variable: string; source: string }>(
    "error",
    "No density on a curve",
    (a) =>
      `\`${a.quantity}\` does not exist: \`${a.variable}\` is a function of \`${a.source}\`, so both together lie on a set without volume (a Dirac)`,
  ),
  GM3703: code<{ variable: string; domain: string; flow: string; from: string }>(
    "error",
    "Base outside of the flow's domain",
    (a) => `\`${a.variable}\` is \`${a.domain}\`, and the flow \`${a.flow}\` maps from \`${a.from}\``,
  ),
  GM3704: code<{ variable: string; domain: string; flow: string; to: string }>(
    "error",
    "Flow onto another domain",
    (a) => `\`${a.variable}\` is \`${a.domain}\`, and the flow \`${a.flow}\` maps onto \`${a.to}\``,
  ),
  GM3705: code<{ variable: string; domain: string; flow: string }>(
    "error",
    "Flow onto a discrete variable",
    (a) => `\`${a.variable}\` is \`${a.domain}\`, which is discrete, and the flow \`${a.flow}\` gives a density of continuous values`,
  ),
  GM3707: code<{ flow: string; reason: string }>(
    "error",
    "Jacobian without structure",
    (a) => `the Jacobian of the flow \`${a.flow}\` has no structure that its determinant follows from: ${a.reason}`,
  ),
  GM3708: code<{ flow: string; size: number; most: number }>(
    "error",
    "Dense Jacobian too large",
    (a) => `\`jacobian = dense\` takes all of the Jacobian, which is for at most ${a.most} entries; \`${a.flow}\` has ${a.size}`,
  ),
  GM3710: code<{ flow: string; direction: string; onto: string; found: string }>(
    "error",
    "Flow that does not reach its range",
    (a) => `\`${a.direction}\` of the flow \`${a.flow}\` is declared onto \`${a.onto}\`, and its values lie in ${a.found}`,
  ),
  GM3711: code<{ flow: string; problem: string }>(
    "warning",
    "Flow that is not proven to be one to one",
    (a) => `nothing proves that the flow \`${a.flow}\` maps no two values to one: ${a.problem}`,
  ),
  GM3712: code<{ flow: string; direction: string; onto: string; found: string }>(
    "warning",
    "Flow that may leave its range",
    (a) => `\`${a.direction}\` of the flow \`${a.flow}\` is declared onto \`${a.onto}\`, and nothing keeps its values there: ${a.found}`,
  ),
  GM3713: code<{ times: number }>(
    "error",
    "Terms that share their noise",
    (a) => `these ${a.times} terms are one and the same: the flow draws its noise once for all of them`,
  ),
  GM3714: code<{ density: string; variable: string; energy: string }>(
    "error",
    "Flow beside an energy",
    (a) =>
      `\`${a.density}\` maps \`${a.variable}\` by a flow, and has an energy of ${a.energy}: no change of variables is derived beside an energy, whose chains would have to run through the flow`,
  ),
  GM3715: code<{ flow: string; input: string }>(
    "error",
    "Flow with a hidden derivative",
    (a) => `the log-determinant of the flow \`${a.flow}\` is made of derivatives in \`${a.input}\`, and \`stop\` hides this one`,
  ),
  GM3706: code<{ quantity: string; variable: string; problem: string }>(
    "error",
    "No change of variables",
    (a) => `\`${a.quantity}\` cannot be derived by a change of variables of \`${a.variable}\`: ${a.problem}`,
  ),
} as const satisfies Record<`GM3${string}`, CodeEntry<never>>;
