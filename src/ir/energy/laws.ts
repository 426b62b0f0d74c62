/**
 * The law of a variable's units given everything else, by its domain and by how the energy depends on them; findings where there is none that
 * any sampler could use.
 */
import { assertNever } from "../../base/internal-error.js";
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { DeriveContext } from "../derive/context.js";
import { showDomain } from "../shapes.js";
import type { Expr, Variable } from "../types.js";
import { isBoundedAbove } from "./bounded.js";
import { curvatureOf } from "./curvature.js";
import type { Cause, Dependence, Structure } from "./dependence.js";
import { fallsIn } from "./growth.js";
import { fallingDegree } from "./rays.js";
import type { EnergyTerm, UnitLaw } from "./types.js";

export interface LawScene {
  readonly context: DeriveContext;
  readonly structure: Structure;
  readonly density: string;
  readonly variable: Variable;
  /** The statements, as written. */
  readonly energies: readonly { readonly value: Expr; readonly span: Span }[];
  /** Their sum, rewritten. */
  readonly whole: Expr;
  readonly terms: readonly EnergyTerm[];
}

/** Undefined after a finding. */
export function lawOf(scene: LawScene): UnitLaw | undefined {
  const { context, structure, variable, whole } = scene;
  const { domain, name } = variable;
  const misused = structure.misused.get(name);
  if (misused) {
    report(
      context.diagnostics,
      "GM3603",
      misused.expr.span,
      { variable: name, reason: misused.reason },
      {
        labels: [declared(variable)],
        help: [
          `let it pick a row of a table: \`U[${name}]\`, with \`param U : real[${domain.classes?.text ?? "K"}, …]\``,
          `\`onehot(${name})\` is a vector of zeros and one 1`,
        ],
      },
    );
    return undefined;
  }
  const d = structure.of(whole).on.get(name);
  if (!d) {
    report(
      context.diagnostics,
      "GM3609",
      variable.span,
      { variable: name, density: scene.density },
      {
        labels: scene.energies.map((e) => ({ span: e.span, text: `does not mention \`${name}\`` })),
        help: [`mention it in the energy, draw it, \`${name} ~ …\`, or leave it out of the header of \`${scene.density}\``],
      },
    );
    return undefined;
  }
  switch (domain.name) {
    case "binary":
    case "category":
      return discrete(scene, d);
    case "count":
      return counts(scene, d);
    case "real":
      return real(scene, d);
    case "positive":
    case "unit":
    case "byte":
    case "simplex":
      report(
        context.diagnostics,
        "GM3608",
        variable.span,
        { variable: name, domain: showDomain(domain), density: scene.density },
        { labels: mentioned(scene), help: otherDomain(variable) },
      );
      return undefined;
    default:
      return assertNever(domain.name);
  }
}

function discrete(scene: LawScene, d: Dependence): UnitLaw {
  const { domain } = scene.variable;
  if (d.coupling === "coupled")
    return {
      kind: "coupled",
      ...culprit(
        scene,
        (t) => t.coupling === "coupled",
        (t) => t.couples ?? t.bends,
      ),
    };
  if (d.degree > 1)
    return {
      kind: "nonlinear",
      ...culprit(
        scene,
        (t) => t.degree > 1,
        (t) => t.bends,
      ),
    };
  if (domain.name === "category") return { kind: "categorical", classes: domain.classes?.size ?? 1 };
  return domain.atMostOne ? { kind: "oneOfBlock", block: domain.atMostOne } : { kind: "bernoulli" };
}

function counts(scene: LawScene, d: Dependence): UnitLaw | undefined {
  if (scene.variable.role !== "data") {
    report(
      scene.context.diagnostics,
      "GM3621",
      scene.variable.span,
      { variable: scene.variable.name, density: scene.density },
      {
        labels: mentioned(scene),
        notes: ["the sum over all counts has no end: where the data hold counts, Z is that of the total of the row"],
        help: [
          `hidden units are \`binary[…]\`, \`category[…]\` or \`real[…]\`; counts that are drawn, \`${scene.variable.name} ~ Multinomial(…)\`, name their total`,
        ],
      },
    );
    return undefined;
  }
  if (d.degree === 1 && d.coupling !== "coupled") return { kind: "multinomial" };
  const { variable, context } = scene;
  const { term, cause } = culprit(
    scene,
    (t) => t.degree > 1 || t.coupling === "coupled",
    (t) => t.bends ?? t.couples,
  );
  report(
    context.diagnostics,
    "GM3607",
    cause.expr.span,
    { variable: variable.name, reason: cause.reason },
    {
      labels: [declared(variable), ...(term.span === cause.expr.span ? [] : [{ span: term.span, text: "in this term" }])],
      notes: ["given their total, counts have a Multinomial conditional where the energy is a weighted sum of them"],
      help: [
        `\`v @ W @ h\`, \`b @ v\` and \`sum(v) * (a @ h)\` are; what depends on the total \`sum(${variable.name})\` alone can be left out`,
      ],
    },
  );
  return undefined;
}

function real(scene: LawScene, d: Dependence): UnitLaw | undefined {
  const { context, variable, structure, whole } = scene;
  const { name } = variable;
  if (d.degree === 1) {
    report(
      context.diagnostics,
      "GM3604",
      variable.span,
      { variable: name },
      {
        labels: mentioned(scene),
        notes: [`exp(-energy) grows without end in one direction of \`${name}\`, so it has no integral`],
        help: [`add what holds it: \`energy sum(${name}^2) / 2\``],
      },
    );
    return undefined;
  }
  const curvature = curvatureOf(context, structure, whole, name, [name]);
  const negative = curvature.sign === "negative";
  const falling = negative || d.degree === 2 ? undefined : fallingDegree(context, whole, [name]);
  if (negative || falling !== undefined || fallsIn(context, structure, whole, name)) {
    const { term } = culprit(
      scene,
      (t) => t.degree === d.degree,
      (t) => t.bends,
    );
    report(
      context.diagnostics,
      "GM3605",
      term.span,
      { variable: name },
      {
        label: `falls as \`${name}\` grows`,
        labels: [declared(variable)],
        notes: [
          negative
            ? "the curvature of the energy is negative for all weights: exp(-energy) has no integral"
            : isOdd(falling)
              ? `its highest power is of degree ${falling}, for all weights: it rises one way and falls the other, and exp(-energy) has no integral`
              : "what falls outgrows what rises, for all weights: exp(-energy) has no integral",
        ],
        help: [
          isOdd(falling)
            ? `an even power of a higher degree holds it: \`energy sum(${name}^${falling + 1})\``
            : "likely states have a low energy: a term that holds the variable has a plus sign",
        ],
      },
    );
    return undefined;
  }
  if (d.degree === 2) return { kind: d.coupling === "coupled" ? "jointNormal" : "normal" };
  if (isBoundedAbove(context, structure, whole, name)) {
    report(
      context.diagnostics,
      "GM3623",
      variable.span,
      { variable: name },
      {
        labels: mentioned(scene),
        notes: ["far out exp(-energy) does not fall below some number above 0, for all weights, so it has no integral"],
        help: [`add what holds it: \`energy sum(${name}^2) / 2\``],
      },
    );
    return undefined;
  }
  const { term, cause } = culprit(
    scene,
    (t) => t.degree > 2,
    (t) => t.bends,
  );
  return { kind: "nonlinear", term, cause };
}

function isOdd(degree: number | undefined): degree is number {
  return degree !== undefined && degree % 2 === 1;
}

/** The first term for which something is true of the variable, and the operation that made it so. */
function culprit(
  scene: LawScene,
  is: (d: Dependence) => boolean,
  cause: (d: Dependence) => Cause | undefined,
): { readonly term: EnergyTerm; readonly cause: Cause } {
  const on = (t: EnergyTerm): Dependence | undefined => t.reach.on.get(scene.variable.name);
  const mentioning = scene.terms.filter((t) => on(t) !== undefined);
  const term = mentioning.find((t) => is(on(t) as Dependence)) ?? mentioning[0] ?? scene.terms[0];
  if (!term) throw new Error("an energy without terms");
  const d = on(term);
  return { term, cause: (d && cause(d)) ?? { expr: term.expr, reason: "it does not enter as a sum over its units" } };
}

function declared(variable: Variable): { readonly span: Span; readonly text: string } {
  return { span: variable.span, text: `\`${variable.name}\` is ${showDomain(variable.domain)}` };
}

function mentioned(scene: LawScene): readonly { readonly span: Span; readonly text: string }[] {
  const name = scene.variable.name;
  return scene.energies
    .filter((e) => scene.structure.of(e.value).on.has(name))
    .map((e) => ({ span: e.span, text: `the energy that defines \`${name}\`` }));
}

function otherDomain({ name, domain }: Variable): readonly string[] {
  const shape = domain.shape.length > 0 ? `[${domain.shape.map((s) => s.text).join(", ")}]` : "";
  switch (domain.name) {
    case "positive":
      return [`declare its logarithm, \`${name} : real${shape}\`, and write \`exp(${name})\``];
    case "unit":
      return [`declare it as \`real${shape}\`: a Normal conditional reaches outside of 0..1, as that of a Gaussian RBM does`];
    case "byte":
      return [`declare it as \`real${shape}\` (0..255 becomes 0..1), \`binary${shape}\` or \`category[256]${shape}\``];
    default:
      return ["declare its logits, `real`, and write `softmax(…)`"];
  }
}
