/**
 * Objectives that stand in for the likelihood of an energy: score matching and denoising score matching of one real variable, noise-contrastive
 * estimation of any.
 */
import { report } from "../../base/report.js";
import { didYouMean } from "../../base/suggest.js";
import { kinkedTerm, mostLog2States, normaliserChoices, statesText, summableTogether } from "../energy/index.js";
import { listed } from "../energy/listed.js";
import { FITTED, NOISE, numberOption } from "../estimators.js";
import type { NoiseDensity, Quantity } from "../quantity.js";
import type { LogDensityExpr, Slot } from "../types.js";
import type { Chosen } from "./choices.js";
import { type DeriveContext, densityOf } from "./context.js";
import { energyOf, exactSum } from "./energy.js";
import { logDensityText } from "./marginal.js";
import { readsOwnSum } from "./own-reads.js";

/** What noise of a density is made of: its log-density at the data, and so many samples for each row. Undefined after an error has been reported. */
export type DeriveNoise = (density: string, given: readonly Slot[], ratio: number) => NoiseDensity | undefined;

export function deriveMatching(
  context: DeriveContext,
  expr: LogDensityExpr,
  asked: Chosen,
  deriveNoise: DeriveNoise,
): Quantity | undefined {
  const index = densityOf(context, expr.density);
  const { againstNoise, ofCurvature } = asked.entry;
  const variables = expr.head.map((s) => s.variable);
  const [first, ...others] = variables;
  const refuse = (why: string, help: readonly string[] = []): undefined => {
    const quantity = logDensityText(expr);
    report(context.diagnostics, "GM3527", asked.span, { estimator: asked.entry.name, quantity, why }, { help });
    return undefined;
  };
  const { energy } = index;
  if (!energy) return refuse(`\`${expr.density}\` has no energy; its likelihood is there`);
  const domainOf = (v: string): string | undefined => context.model.variables.get(v)?.domain.name;
  if (!againstNoise) {
    if (first === undefined || others.length > 0)
      return refuse("it matches the score of one variable", ["several are told from noise: `by nce`"]);
    if (domainOf(first) !== "real")
      return refuse(`\`${first}\` is not real, and has no score`, [...normaliserChoices(energyOf(context, expr.density))]);
  }
  const drawn = variables.find((v) => !energy.variables.includes(v));
  if (drawn !== undefined) return refuse(`\`${drawn}\` is drawn, not covered by the energy`);
  const analysis = energyOf(context, expr.density);
  const hidden = energy.variables.filter((v) => !variables.includes(v) && !expr.given.some((s) => s.variable === v));
  const way = summableTogether(analysis, hidden);
  if (way.log2States > mostLog2States) return refuse(statesText(analysis, way));
  const kinked = ofCurvature && first !== undefined && kinkedTerm(context, analysis, first, hidden);
  if (kinked)
    report(
      context.diagnostics,
      "GM3620",
      kinked.span,
      { estimator: asked.entry.name, variable: first },
      {
        labels: [{ span: asked.span, text: "learns from second derivatives" }],
        help: [
          "what bends everywhere: `softplus` in place of `relu`, `sqrt(x^2 + 0.01)` in place of `abs(x)`",
          "or `by denoising_score_matching(sigma = 0.1)`, which takes first derivatives alone",
        ],
      },
    );
  const named = asked.options[NOISE] === FITTED ? undefined : asked.options[NOISE];
  let noise: NoiseDensity | undefined;
  if (typeof named === "string") {
    const given = checkNoise(context, expr, asked, named);
    noise = given && deriveNoise(named, given, numberOption(asked.options, "ratio"));
    if (!noise) return undefined;
  }
  return {
    kind: "matching",
    method: asked.entry.name,
    options: asked.options,
    density: expr.density,
    variables,
    hidden: exactSum(way),
    ranked: againstNoise === true && (expr.given.length > 0 || analysis.reads.length > 0 || variables.some((v) => domainOf(v) === "count")),
    noise,
    at: new Map([...expr.head, ...expr.given].map((slot) => [slot.variable, slot.value])),
    span: expr.span,
  };
}

/** The conditions that the noise reads; undefined after an error has been reported, where it is no noise for these variables. */
function checkNoise(context: DeriveContext, expr: LogDensityExpr, asked: Chosen, named: string): readonly Slot[] | undefined {
  const index = context.densities.get(named);
  const head = expr.head.map((s) => s.variable);
  const known = expr.given.map((s) => s.variable);
  const refuse = (problem: string, help: readonly string[]): undefined => {
    report(context.diagnostics, "GM3521", asked.span, { problem: `\`${NOISE} = ${named}\`: ${problem}` }, { help });
    return undefined;
  };
  const name = index ? "noise" : named;
  const covers = `a density over ${listed(head)}, that samples are drawn from: \`density ${name}(${head.join(", ")}) { … }\``;
  if (!index) {
    const guess = didYouMean(named, context.densities.keys());
    return refuse("there is no density of this name", [guess === undefined ? covers : `did you mean \`${guess}\`?`]);
  }
  if (index.energy) return refuse("it has an energy, and noise needs samples and a log-density that are exact", [covers]);
  const own = index.density.head;
  // its latents sum out, or its log-density says why not
  const isOther = (v: string): boolean => !head.includes(v) && context.model.variables.get(v)?.role === "data";
  if (!head.every((v) => own.includes(v)) || own.some(isOther)) return refuse(`it is a density over ${listed(own)}`, [covers]);
  const unknown = index.density.given.filter((v) => !known.includes(v));
  if (unknown.length > 0)
    return refuse(`it is given ${listed(unknown)}, which \`${logDensityText(expr)}\` is not`, [
      `the noise may read what \`${expr.density}\` is given${known.length > 0 ? `: ${listed(known)}` : ", which is nothing"}`,
    ]);
  // Z of counts is that of their total, which cancels among counts of one total alone
  const free = head.find((v) => {
    const definition = index.definitions.get(v);
    const isCount = context.model.variables.get(v)?.domain.name === "count";
    return isCount && !(definition?.kind === "draw" && readsOwnSum(context, { variable: v, dist: definition.dist }));
  });
  if (free !== undefined)
    return refuse(`its \`${free}\` have a total of their own, and are told from the data by that`, [
      `draw them with the total of the row: \`${free} ~ Multinomial(total = sum(${free}), …)\``,
    ]);
  return expr.given.filter((s) => index.density.given.includes(s.variable));
}
