/** What was derived, for `gmc explain`: as data, and as text for a person. */
import { stopUse, type StopUse } from "../ir/derive/straight-through.js";
import { estimators } from "../ir/estimators.js";
import { optimaIn } from "../ir/derive/optimum.js";
import { PATHWISE } from "../ir/derive/plan-draw.js";
import type { DerivedEvaluation, DerivedModel, ExactPosterior } from "../ir/derived-model.js";
import type { GradientPath } from "../ir/latent-estimators.js";
import type { DerivedObjective, Quantity } from "../ir/quantity.js";
import { walkQuantity } from "../ir/quantity-walk.js";
import { estimatedPaths, type Maximisation } from "../ir/maximisation.js";
import { coveringPaths } from "../ir/derive/weight-paths.js";
import { weightEntries } from "../ir/derive/weights.js";

import { type EnergyExplanation, explainEnergy, printEnergy } from "./explain-energy.js";
import { explainFlow, type FlowExplanation, printFlow } from "./explain-flow.js";
import type { Span } from "../base/source.js";
import { explainNets, explainOrder, type NetOrderExplanation, type OrderExplanation, printNetOrder, printOrder } from "./order-text.js";
import { place } from "./place.js";
import { latexName, scripted } from "./latex-names.js";
import { expressionText, quantityLatex, quantityText } from "./mathtext.js";

export interface ObjectiveExplanation {
  /** "maximize ELBO(p, q)", or the name of an evaluation. */
  readonly statement: string;
  readonly place: string;
  /** The objective, derived. */
  readonly text: string;
  readonly latex: string;
  /** What is differentiated. */
  readonly surrogate: string;
  readonly moves: readonly string[];
  readonly latents: readonly { readonly variable: string; readonly density: string; readonly estimator: string; readonly reason: string }[];
  /** From each draw to the trained weights that its own parameters read: how the gradient goes, and whether its mean is the true one. */
  readonly paths: readonly {
    readonly variable: string;
    readonly density: string;
    readonly path: string;
    readonly weights: readonly string[];
    readonly unbiased: boolean;
    /** It is, if this holds, which is not known: "`f(z)` does not jump" as the draw moves. */
    readonly unsure?: string;
  }[];
  /** Values in whose place something else stands for the gradient, `z + stop(code - z)`, and the moved weights that it goes to: it is biased. */
  readonly straightThrough: readonly { readonly expression: string; readonly weights: readonly string[] }[];
}

export interface Explanation {
  readonly model: string;
  readonly hyperparameters: Readonly<Record<string, unknown>>;
  readonly variables: readonly { readonly name: string; readonly role: string; readonly domain: string }[];
  readonly parameters: number;
  readonly weights: readonly { readonly path: string; readonly layer: string; readonly parameters: number }[];
  readonly energies: readonly EnergyExplanation[];
  readonly flows: readonly FlowExplanation[];
  /** Variables that are drawn entry after entry. */
  readonly orders: readonly OrderExplanation[];
  /** Nets of autoregressive bijections. */
  readonly nets: readonly NetOrderExplanation[];
  /** Nets that do not depend on the order of a set's points, as declared and proven. */
  readonly symmetries: readonly { readonly net: string; readonly kind: string; readonly points: readonly string[] }[];
  /** What infers latents without a density of its own: which conditional, and why it is exact. */
  readonly posterior?: { readonly text: string; readonly reason: string };
  readonly train: readonly ObjectiveExplanation[];
  readonly evaluate: readonly ObjectiveExplanation[];
}

export function explain(derived: DerivedModel): Explanation {
  const { model, context } = derived;
  const weights = weightEntries(context).map((e) => ({
    path: e.path,
    layer: e.of.kind === "param" ? "param" : e.of.kind === "layer" ? e.of.instance.layer : e.of.instance.bijection,
    parameters: e.parameters,
  }));
  const objective = (
    statement: string,
    at: Span,
    d: DerivedObjective,
    moves: readonly string[],
    sign: 1 | -1 = 1,
  ): ObjectiveExplanation => {
    const quantity = sign === 1 ? d.quantity : negative(d.quantity, at);
    const stops = stopUse(context, d.quantity, moves);
    const straight = new Map<string, readonly string[]>();
    for (const { at: expr, weights: to } of stops.straight) {
      const text = expressionText(context, expr);
      straight.set(text, [...(straight.get(text) ?? []), ...to]);
    }
    return {
      statement,
      place: place(at),
      text: quantityText(context, quantity),
      latex: quantityLatex(context, quantity),
      surrogate: surrogateText(d, stops, [...straight.keys()]),
      moves,
      latents: d.notes.map(({ variable, density, estimator, reason }) => ({ variable, density, estimator, reason })),
      paths: d.notes.flatMap(({ variable, density, gradient }) => (gradient ? [{ variable, density, ...gradient }] : [])),
      straightThrough: [...straight].map(([expression, to]) => ({
        expression,
        weights: coveringPaths(
          weights.map((x) => x.path),
          [...new Set(to)],
        ),
      })),
    };
  };
  return {
    model: model.name,
    hyperparameters: Object.fromEntries(model.hyper.map((h) => [h.name, h.value])),
    variables: [...model.variables.values()].map((v) => ({
      name: v.name,
      role: v.role,
      domain: `${v.domain.name}${v.domain.classes ? `[${v.domain.classes.text}]` : ""}${v.domain.shape.length > 0 ? `[${v.domain.shape.map((d) => (d.text === String(d.size) ? d.text : `${d.text} = ${d.size}`)).join(", ")}]` : ""}${v.domain.optional ? "?" : ""}${v.domain.atMostOne ? ` at_most_one(${v.domain.atMostOne.join(", ")})` : ""}`,
    })),
    parameters: weights.reduce((n, w) => n + w.parameters, 0),
    weights,
    energies: [...context.energies.values()].map((analysis) => explainEnergy(context, analysis, summedIn(derived, analysis.density))),
    flows: model.flows.map((flow) => explainFlow(context, flow)),
    orders: [...context.sequential.values()].flat().map(explainOrder),
    nets: explainNets(context.orders.values()),
    symmetries: model.nets.flatMap((net) => (net.symmetry ? [{ net: net.name, ...net.symmetry }] : [])),
    ...(derived.posterior && { posterior: explainPosterior(derived.posterior) }),
    train: derived.phases.flatMap((p) =>
      p.updates.map((u) => objective(`${u.update.direction} ${u.update.text}`, u.update.span, u.derived, u.moves)),
    ),
    evaluate: derived.evaluations.flatMap((e) =>
      e.objective
        ? [
            perplexity(
              e,
              objective(`${e.evaluation.name} = ${e.evaluation.text}`, e.evaluation.span, e.objective.derived, [], e.objective.sign),
            ),
          ]
        : [],
    ),
  };
}

/** The variables of an energy without a value, where the objectives evaluate it; of several such lists the longest, of none undefined. */
function summedIn({ phases, evaluations, context }: DerivedModel, density: string): readonly string[] | undefined {
  const found: (readonly string[])[] = [];
  const quantities = [
    ...phases.flatMap((p) => p.updates.map((u) => u.derived.quantity)),
    ...evaluations.flatMap((e) => (e.objective ? [e.objective.derived.quantity] : [])),
  ];
  const variables = context.energies.get(density)?.variables ?? [];
  for (const quantity of quantities)
    walkQuantity(quantity, (q) => {
      if (q.kind === "unnormalised" && q.density === density) found.push(variables.filter((v) => !q.given.includes(v)));
    });
  return found.reduce<readonly string[] | undefined>((a, b) => (a && a.length >= b.length ? a : b), undefined);
}

function explainPosterior({ density, latents, given, factors }: ExactPosterior): { readonly text: string; readonly reason: string } {
  const all = [...factors.latents, ...factors.children].map((f) => f.variable).join(", ");
  return {
    text: `${density}(${latents.join(", ")} | ${given.join(", ")})`,
    reason: `normal: ${all} are jointly normal, their locations affine in ${latents.join(", ")} and their scales free of ${latents.length > 1 ? "them" : "it"}`,
  };
}

/** What `-X` of a line of `evaluate` measures: X is derived without its sign. */
function negative(quantity: Quantity, span: Span): Quantity {
  if (quantity.kind === "sum") return { ...quantity, terms: quantity.terms.map((t) => ({ ...t, scale: -t.scale })) };
  return { kind: "sum", terms: [{ scale: -1, factors: [], quantity }], span };
}

/** Of a named evaluator of a likelihood, what is made of log p: the perplexity of a word in the order in which a document's words stand. */
function perplexity({ evaluation: { value }, objective }: DerivedEvaluation, of: ObjectiveExplanation): ObjectiveExplanation {
  const head = objective?.value.kind === "logDensity" ? objective.value.head : [];
  if (value.kind !== "evaluator" || head.length === 0) return of;
  const names = head.map((slot) => slot.variable);
  const density = value.densities[0] ?? "p";
  const several = names.length > 1;
  const orders = names.map((v) => (several ? `log(sum(${v})! / prod(${v}!))` : `log(N! / prod(${v}!))`)).join(" + ");
  const N = names.map((v) => `sum(${v})`).join(" + ");
  const all = names.join(", ");
  const latex = names.map(latexName);
  const ofRow = latex.map((x) => scripted(x, "_", "m")).join(", ");
  const ordersLatex = latex.map((x) => {
    const total = several ? `(\\sum_i ${scripted(x, "_", "m, i")})!` : "N_m!";
    return `\\log \\frac{${total}}{\\prod_i ${scripted(x, "_", "m, i")}!}`;
  });
  const totalLatex = latex.map((x) => `\\sum_i ${scripted(x, "_", "i")}`).join(" + ");
  return {
    ...of,
    text: `exp(mean((${orders} - log ${density}(${all})) / N)), N = ${N}, log ${density}(${all}) = ${of.text}`,
    latex: `\\exp\\left(\\frac{1}{M} \\sum_{m=1}^{M} \\frac{1}{N_m} \\left(${ordersLatex.join(" + ")} - \\log ${latexName(density)}(${ofRow})\\right)\\right), \\quad N = ${totalLatex}, \\quad \\log ${latexName(density)}(${latex.join(", ")}) = ${of.latex}`,
  };
}

const NOT_THROUGH = "; no gradient passes through its samples";

/** What the gradient is taken of, and where that is not the gradient of the value. */
function surrogateText(d: DerivedObjective, { holds }: StopUse, straight: readonly string[]): string {
  const text = differentiated(d);
  const through = (path: GradientPath): readonly string[] => d.notes.flatMap((n) => (n.gradient?.path === path ? [n.variable] : []));
  const [relaxed, passed] = [through("relaxed"), through("straight-through")];
  if (straight.length + relaxed.length + passed.length === 0 && !holds) return text;
  return [
    relaxed.length + passed.length > 0 ? text.replace(NOT_THROUGH, "") : text.replace(": it is exact", ""),
    ...(relaxed.length > 0 ? [`the gradient passes through ${relaxed.join(" and ")}, relaxed, with a bias`] : []),
    ...(passed.length > 0 ? [`the gradient passes straight through draws of ${passed.join(" and ")}, with a bias`] : []),
    ...(straight.length > 0 ? [`the gradient passes straight through ${straight.join(" and ")}, with a bias`] : []),
    ...(holds ? ["what `stop` holds counts as given"] : []),
  ].join("; ");
}

/** What is drawn, if anything, is the directions along which second derivatives are taken. */
function matchesCurvature(quantity: Quantity): boolean {
  let found = false;
  let drawn = false;
  walkQuantity(quantity, (q) => {
    const ofCurvature = q.kind === "matching" && estimators.get(q.method)?.ofCurvature === true;
    found ||= ofCurvature;
    drawn ||= q.kind === "expect" || (q.kind === "matching" && !ofCurvature);
  });
  return found && !drawn;
}

/** With the estimators of densities, the estimate itself. */
function differentiated(d: DerivedObjective): string {
  const estimators = [...new Set(surrogatesIn(d.quantity))];
  const { replaced, bounded } = standIns(d.quantity);
  if (estimators.length > 0)
    return [
      `a surrogate with the value of the estimate, and the gradient of ${estimators.join(" and ")} through what is drawn`,
      ...(replaced.length > 0
        ? [`${replaced.join(" and ")}, held fixed: these parts have the gradient of the estimate, not its value`]
        : []),
    ].join("; ");
  const drawn = d.notes.filter((n) => n.estimator === "reparam").map((n) => n.variable);
  if (replaced.length > 0)
    return `the same with ${replaced.join(" and ")}, held fixed: its gradient estimates that of ${bounded ? "a lower bound of log p" : "log p"}, its value does not`;
  if (bounded && !d.random)
    return "the lower bound itself, at means that are held fixed: where the updates have settled, that is its gradient";
  if (d.em)
    return `nothing: each step sets ${estimatedPaths(d.em).join(", ")} to the estimate in closed form${mapsText(d.em)}, each row weighed by d log p / d of its conditional's log${d.em.online ? `, from averages over batches with decay ${d.em.online.decay}${restartsText(d.em.online)}` : ""}`;
  const [optimum] = optimaIn(d.quantity);
  if (optimum)
    return `the same with ${optimum.variables.join(", ")} held fixed where the inner loop left ${optimum.variables.length > 1 ? "them" : "it"}: at an optimum, that is the gradient of the ${optimum.op}`;
  const pushed = d.notes.filter((n) => n.estimator === PATHWISE).map((n) => n.variable);
  if (drawn.length === 0 && pushed.length > 0)
    return `the estimate itself: the gradient passes through ${pushed.join(", ")}, a function of what is drawn`;
  if (d.notes.length === 0 && d.random && matchesCurvature(d.quantity))
    return "the objective itself: the trace of the second derivatives is exact up to 64 entries; of more it is estimated along random signs";
  if (d.notes.length === 0 && d.random)
    return "the estimate itself: it draws noise of a fixed distribution alone, and the gradient passes through what is made of it";
  if (drawn.length === 0) return d.random ? `the estimate itself${NOT_THROUGH}` : "the objective itself: it is exact";
  return `the estimate itself, with ${drawn.map((v) => `${v} = sample(noise; its parameters)`).join(", ")}: the gradient passes through ${drawn.length > 2 ? `each of the ${drawn.length}` : drawn.join(" and ")}`;
}

/** What of a quantity has another value than it says, and whether sums over hidden units are bounded. */
function standIns(quantity: Quantity): { readonly replaced: readonly string[]; readonly bounded: boolean } {
  const replaced = new Set<string>();
  let bounded = false;
  walkQuantity(quantity, (q) => {
    if (q.kind === "logPartition" && q.method.kind === "chain") replaced.add("log Z replaced by -F at samples of the model");
    if (q.kind !== "unnormalised") return;
    if (q.method.kind === "gibbs") replaced.add(`-E taken at samples of ${q.method.hidden.join(", ")}`);
    bounded ||= q.method.kind === "meanField";
  });
  return { replaced: [...replaced], bounded };
}

function restartsText({ restart }: NonNullable<Maximisation["online"]>): string {
  return restart > 0 ? `; a location that counts for less than ${restart} of their average starts again at a row of the batch` : "";
}

/** Which estimates solve normal equations, and over what latents they are averaged. */
function mapsText({ steps }: Maximisation): string {
  const maps = steps.flatMap((s) => s.map?.groups.map((g) => g.map((t) => t.path).join(", ")) ?? []);
  const solved = maps.length > 0 ? ` (${maps.join("; ")} by normal equations)` : "";
  const latents = [...new Set(steps.flatMap((s) => s.latents))];
  return `${solved}${latents.length > 0 ? `, averaged over ${latents.join(", ")} by the mean and covariance of ${latents.length > 1 ? "their" : "its"} posterior` : ""}`;
}

function surrogatesIn(quantity: DerivedObjective["quantity"]): readonly string[] {
  const found: string[] = [];
  walkQuantity(quantity, (q) => q.kind === "expect" && q.surrogate && found.push(q.surrogate.estimator));
  return found;
}

export function printExplanation(e: Explanation, extra: readonly string[] = []): string {
  const lines: string[] = [];
  const hyper = Object.entries(e.hyperparameters).map(([k, v]) => `${k} = ${JSON.stringify(v)}`);
  lines.push(`model ${e.model}${hyper.length > 0 ? ` (${hyper.join(", ")})` : ""}`, "");
  lines.push("variables", ...table(e.variables.map((v) => [v.name, v.role, v.domain])), "");
  lines.push(
    `weights: ${e.parameters.toLocaleString("en-US")} parameters`,
    ...table(e.weights.map((w) => [w.path, w.layer, w.parameters.toLocaleString("en-US")])),
    "",
  );
  for (const energy of e.energies) lines.push(...printEnergy(energy), "");
  for (const flow of e.flows) lines.push(...printFlow(flow), "");
  for (const net of e.nets) lines.push(...printNetOrder(net), "");
  for (const order of e.orders) lines.push(...printOrder(order), "");
  if (e.symmetries.length > 0)
    lines.push(
      "sets",
      ...e.symmetries.map((s) => `  ${s.net} is ${s.kind} to the order of the points of ${s.points.join(" and ")}: proven`),
      "",
    );
  if (e.posterior) lines.push("latents of rows", ...table([[e.posterior.text, e.posterior.reason]]), "");
  for (const [title, items] of [["train", e.train] as const, ["evaluate", e.evaluate] as const]) {
    for (const o of items) {
      lines.push(`${title}: ${o.statement}  (${o.place})`, `  = ${o.text}`, `  LaTeX: ${o.latex}`);
      if (title === "train") lines.push(`  differentiated: ${o.surrogate}`, `  moves: ${o.moves.join(", ")}`);
      if (o.paths.length > 0) lines.push("  gradients through draws", ...pathTable(o.paths).map((l) => `  ${l}`));
      if (o.straightThrough.length > 0)
        lines.push(
          "  gradients straight through",
          ...table(o.straightThrough.map((p) => [`${p.expression} -> ${p.weights.join(", ")}`, "straight-through", "biased"])).map(
            (l) => `  ${l}`,
          ),
        );
      if (o.latents.length > 0)
        lines.push("  latents", ...table(o.latents.map((l) => [l.variable, l.estimator, l.reason])).map((l) => `  ${l}`));
      lines.push("");
    }
  }
  return [...lines, ...extra].join("\n").trimEnd() + "\n";
}

/** `z of q -> encoder  reparameterised  unbiased` */
function pathTable(paths: ObjectiveExplanation["paths"]): readonly string[] {
  return table(
    paths.map((p) => [
      `${p.variable} of ${p.density} -> ${p.weights.length > 0 ? p.weights.join(", ") : p.path === "none" ? "no trained weight" : "what it is drawn from"}`,
      p.path,
      p.path === "none"
        ? p.weights.length > 0
          ? "left out"
          : ""
        : !p.unbiased
          ? "biased"
          : p.unsure === undefined
            ? "unbiased"
            : `unbiased if ${p.unsure}`,
    ]),
  );
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((r) => [...(r[i] ?? "")].length))) ?? [];
  return rows.map((r) => `  ${r.map((c, i) => (i === r.length - 1 ? c : c.padEnd(widths[i] ?? 0))).join("  ")}`.trimEnd());
}
