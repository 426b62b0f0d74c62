/**
 * Whether exp(-energy) has an integral over the real variables together: refused where some direction is proven to be free, warned of where
 * nothing is proven either way. `lawOf` has looked at each variable by itself before.
 */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { DeriveContext } from "../derive/context.js";
import { walk } from "../derive/walk-bindings.js";
import { weightsIn } from "../derive/weights.js";
import { shapeOf, showDomain } from "../shapes.js";
import type { Expr } from "../types.js";
import { filled, followed, mentions, rebuilt, substitute } from "./algebra.js";
import { isBoundedAbove } from "./bounded.js";
import { curvatureOf, isDefinite, rangeOf } from "./curvature.js";
import { allReal, type Structure } from "./dependence.js";
import { flatDirection } from "./flat.js";
import { fallsIn, growthOf } from "./growth.js";
import { listed } from "./listed.js";
import {
  constantHessian,
  fallingDirection,
  isPositiveDefinite,
  lackOf,
  mostFactored,
  unitsOfReals,
  type UnitsOfReals,
} from "./quadratic.js";
import { fallingDegree } from "./rays.js";
import type { Definiteness, EnergyTerm } from "./types.js";

/**
 * Reports what it finds; says what is known of the curvature in `variables`, the real ones; `discrete` are the others. `stated` is the energy as it was
 * written, whose squares a rewritten one may have multiplied out.
 */
export function checkNormalisable(
  context: DeriveContext,
  structure: Structure,
  whole: Expr,
  stated: Expr,
  terms: readonly EnergyTerm[],
  variables: readonly string[],
  discrete: readonly string[],
): Definiteness {
  const joint = structure.of(whole).on.get(allReal);
  if (variables.length === 0 || !joint) return "none";
  const declared = variables.flatMap((name): { readonly span: Span; readonly text: string }[] => {
    const variable = context.model.variables.get(name);
    return variable ? [{ span: variable.span, text: `\`${name}\` is ${showDomain(variable.domain)}` }] : [];
  });
  const bending = terms.filter((t) => (t.reach.on.get(allReal)?.degree ?? 1) > 1);
  const quadratic = joint.degree <= 2;
  const flat = flatDirection(context, structure, whole, variables);
  if (flat) {
    const { rank, units, direction } = flat;
    const along = direction && units <= 8 ? `; it is flat along ${variables.join(", ")} = (${direction.join(", ")})` : "";
    report(
      context.diagnostics,
      "GM3617",
      bending[0]?.span,
      { variables: listed(variables) },
      {
        labels: declared,
        notes: [
          `its curved terms depend on ${counted(rank, "combination")} of ${counted(units, "number")}${along}`,
          "exp(-energy) is constant or exponential along what is left, for all weights, so it has no integral",
        ],
        help: [`add what holds every direction: ${variables.map((v) => `\`energy sum(${v}^2) / 2\``).join(", ")}`],
      },
    );
    return quadratic ? "checked" : "unbounded";
  }
  const growth = growthOf(context, structure, whole, variables);
  const term = bending.find((t) => growth.loose.some((e) => within(e.span, t.span))) ?? bending[0];
  const units = unitsOfReals(context, variables);
  const hessian = quadratic ? constantHessian(context, structure, whole, units) : undefined;
  if (hessian && isPositiveDefinite(hessian)) return "proven";
  const open = quadratic ? !hessian : !growth.proven;
  const state = open ? looseState(context, structure, whole, units, discrete, quadratic) : undefined;
  if (state) {
    report(
      context.diagnostics,
      state.falls ? "GM3625" : "GM3617",
      term?.span,
      { variables: listed(variables) },
      {
        labels: declared,
        notes: [
          `where ${state.at.map(({ variable, value }) => `all units of \`${variable}\` are ${value}`).join(" and ")}, ${state.falls ? "it falls without end" : "nothing holds a direction"}: that state alone has no integral`,
        ],
        help: [`add what holds it there: ${variables.map((v) => `\`energy ${squares(v, state.lack)}\``).join(", ")}`],
      },
    );
    return quadratic ? "checked" : "unbounded";
  }
  const odd = quadratic || variables.length < 2 ? undefined : fallingDegree(context, whole, variables);
  if (odd !== undefined) {
    report(
      context.diagnostics,
      "GM3625",
      term?.span,
      { variables: listed(variables) },
      {
        label: "with the other curved terms",
        labels: declared,
        notes: [`its highest power, of degree ${odd}, falls without end in some direction, for all weights: exp(-energy) has no integral`],
        help: [`even powers of a higher degree hold it: ${variables.map((v) => `\`energy sum(${v}^${odd + 2 - (odd % 2)})\``).join(", ")}`],
      },
    );
    return "unbounded";
  }
  const falling = hessian && fallingDirection(hessian);
  if (falling) {
    report(
      context.diagnostics,
      "GM3625",
      term?.span,
      { variables: listed(variables) },
      {
        label: bending.length > 1 ? "with the other curved terms" : "here",
        labels: declared,
        notes: [
          units.count <= 8
            ? `it falls along ${variables.join(", ")} = (${falling.join(", ")}): exp(-energy) has no integral`
            : "its Hessian is known, for no weight is in it, and has a negative eigenvalue: exp(-energy) has no integral",
        ],
        help: [
          variables.length > 1
            ? `write the coupling as a square, \`sum((${variables[0]} - c * ${variables[1]})^2)\`, or hold the variables by larger quadratic terms`
            : `hold it by a larger quadratic term: \`energy c * sum(${variables[0]}^2)\``,
        ],
      },
    );
    return "checked";
  }
  const isHeld = (energy: Expr): boolean => {
    const curvature = quadratic ? curvatureOf(context, structure, energy, allReal, variables) : undefined;
    return curvature?.sign === "positive" && isDefinite(curvature, variables);
  };
  const proven = growth.proven || isHeld(whole) || growthOf(context, structure, stated, variables).proven || isHeld(stated);
  if (proven) return quadratic ? "proven" : "grows";
  const about = growth.free.length > 0 ? growth.free : variables.filter((v) => growth.loose.some((e) => mentions(context, e, v)));
  const suspects = about.length > 0 ? about : variables;
  const coupled = growth.loose.length > 0;
  const curved = bending.map((t) => t.expr);
  // without a weight in it, the curvature is that of each state of what else it reads
  const states =
    weightsIn(context, curved).size > 0
      ? []
      : [...context.model.variables.keys()].filter((v) => !variables.includes(v) && curved.some((e) => mentions(context, e, v)));
  if (quadratic)
    report(
      context.diagnostics,
      "GM3618",
      term?.span,
      { variables: listed(suspects), where: states.length > 0 ? `for all values of ${listed(states)}` : "for all weights" },
      {
        labels: declared,
        notes: [
          states.length > 0
            ? "the sign of the curvature is told term by term, and terms of both signs meet here"
            : coupled
              ? "the sign of this term's curvature depends on the weights: for some of them exp(-energy) has no integral"
              : "for some weights the energy is flat in a direction, and exp(-energy) has no integral",
          `a run looks at the ${variables.length > 1 ? "joint curvature" : "curvature"} where it draws and where it normalises, and stops once it is no longer positive`,
        ],
        help:
          states.length > 0
            ? [`write the squares in one term, times what is above zero for all of these values, as \`2 - h\` is for a binary \`h\``]
            : suspects.length > 1
              ? [`write the coupling as a square: \`sum((${suspects[0]} - W @ ${suspects[1]})^2)\` cannot fall`]
              : ["weigh squares by what is above zero: `param s : positive[D]`, or `exp(s)`"],
      },
    );
  else
    report(
      context.diagnostics,
      "GM3606",
      term?.span,
      { variable: suspects.join("`, `") },
      {
        labels: declared,
        notes: [
          growth.free.length > 0
            ? `no term of the energy is seen to grow with ${listed(growth.free)} for all weights: exp(-energy) may have no integral`
            : "this term is not seen to be outgrown by the others for all weights: exp(-energy) may have no integral",
          ...(takesGradient(context, whole)
            ? ["of `grad[…](…)` the degree is seen, and not where its values go far out: it proves no growth"]
            : []),
        ],
        help: [
          growth.free.length > 0
            ? `add a term that does: ${growth.free.map((v) => `\`energy sum(${v}^2) / 2\``).join(", ")}`
            : `add an even power of a higher order than this term's, times a number above zero`,
        ],
      },
    );
  return quadratic ? "checked" : "unbounded";
}

interface State {
  readonly at: readonly { readonly variable: string; readonly value: 0 | 1 }[];
  /** A direction falls; else one is flat. */
  readonly falls: boolean;
  /** The curvature that is to be added, a whole number that is enough for all states that were tried. */
  readonly lack: number;
}

/** An energy of so much curvature in each entry. */
function squares(variable: string, curvature: number): string {
  const half = curvature / 2;
  if (curvature === 1) return `sum(${variable}^2) / 2`;
  return `${half === 1 ? "" : `${half} * `}sum(${variable}^2)`;
}

/** Variables of which all uniform states together are tried. */
const mostTried = 4;

/** A state of the binary variables, all units of each alike, in which the real ones are proven not to be held, by a known curvature if it is quadratic. */
function looseState(
  context: DeriveContext,
  structure: Structure,
  whole: Expr,
  units: UnitsOfReals,
  discrete: readonly string[],
  quadratic: boolean,
): State | undefined {
  const binary = discrete.flatMap((name) => context.model.variables.get(name) ?? []).filter((v) => v.domain.name === "binary");
  if (binary.length === 0 || binary.length > mostTried || units.count > mostFactored) return undefined;
  let found: State | undefined;
  for (let bits = 0; bits < 2 ** binary.length; bits++) {
    const at = binary.map(({ name, domain }, i) => ({ variable: name, domain, value: (bits >> i) & 1 ? (1 as const) : (0 as const) }));
    // units of a block exclude each other
    if (at.some(({ domain, value }) => value === 1 && domain.atMostOne)) continue;
    const stated = at.reduce((e, { variable, domain, value }) => substitute(context, e, variable, filled(value, domain.shape, e)), whole);
    if (!quadratic) {
      const energy = folded(context, stated);
      const names = [...units.starts.keys()];
      if (names.some((v) => fallsIn(context, structure, energy, v)) || fallingDegree(context, energy, names) !== undefined)
        return { at, falls: true, lack: 1 };
      const isLoose = (v: string): boolean => !structure.of(energy).on.has(v) || isBoundedAbove(context, structure, energy, v);
      if (names.some(isLoose) || flatDirection(context, structure, energy, names)) return { at, falls: false, lack: 1 };
      continue;
    }
    const hessian = constantHessian(context, structure, stated, units);
    if (!hessian || isPositiveDefinite(hessian)) continue;
    const lack = lackOf(hessian);
    found = found ? { ...found, lack: Math.max(found.lack, lack) } : { at, falls: fallingDirection(hessian) !== undefined, lack };
  }
  return found;
}

/** With 0 and 1 in place of what has that value alone, whatever it reads, so that what they are multiplied with is gone or stands by itself. */
function folded(context: DeriveContext, energy: Expr): Expr {
  const visit = followed(context, (e): Expr => {
    if (e.kind !== "builtin") return e;
    const { low, high } = rangeOf(context, e);
    if (low === high && (low === 0 || low === 1)) return filled(low, shapeOf(e), e);
    return rebuilt(e, e.args.map(visit));
  });
  return visit(energy);
}

function within(inner: Span, outer: Span): boolean {
  return inner.file === outer.file && inner.start >= outer.start && inner.end <= outer.end;
}

function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Whether a derivative stands in an expression, behind names too. */
function takesGradient(context: DeriveContext, expr: Expr): boolean {
  let found = false;
  walk(context, expr, (e) => {
    found ||= e.kind === "grad";
  });
  return found;
}
