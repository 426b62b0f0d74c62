/**
 * A sigmoid or softmax that an objective applies to a net which has squashed its value before: of numbers from 0 to 1 it gives none below 1/2, and the net
 * can never say "no". Read off the ranges of values.
 */
import { report } from "../../../base/report.js";
import type { DerivedUpdate } from "../../derived-model.js";
import { rangeOf } from "../../energy/curvature.js";
import { type Range } from "../../range.js";
import type { Expr } from "../../types.js";
import { type DeriveContext, netOf } from "../context.js";
import { walk } from "../walk-bindings.js";
import { weightsIn } from "../weights.js";
import { calledIn } from "./parts.js";

/** `told`: nets of the phase that a warning has been about. */
export function checkSquashed(context: DeriveContext, { update }: DerivedUpdate, told: Set<string>): void {
  walk(context, update.value, (e) => {
    if (e.kind !== "builtin" || !(SIGMOIDS.has(e.fn) || SOFTMAXES.has(e.fn))) return;
    const call = e.args[0] && withoutSign(e.args[0]);
    const net = call && calledIn(call);
    if (!call || !net || told.has(net.net) || weightsIn(context, [{ ...net, args: [] }]).size === 0) return;
    const { result } = netOf(context, net.net);
    const range = rangeOf(context, result);
    const isUnit = range.low >= 0 && range.high <= 1;
    const isOneSided = range.low >= 0 || range.high <= 0;
    // a softplus of what is positive may be meant so, as one of a square
    if (!(SIGMOIDS.get(e.fn) === "whole" ? isOneSided : isUnit)) return;
    told.add(net.net);
    const here = e.span.file.path === update.span.file.path ? [{ span: e.span, text: "applied here" }] : [];
    const so = SOFTMAXES.has(e.fn) ? "no class can get more than e times what another gets" : `the sigmoid of ${between(range)}`;
    report(
      context.diagnostics,
      "GM3758",
      update.span,
      { fn: e.fn, net: net.net, range: rangeText(range), so },
      {
        labels: [...here, { span: result.span, text: `the value of \`${net.net}\`` }],
        help: [`let \`${net.net}\` give any real number: the objective applies \`${SOFTMAXES.has(e.fn) ? "softmax" : "sigmoid"}\` itself`],
      },
    );
  });
}

/** `log(sigmoid(x))` by its parts; whether all values of one sign are too few for it. */
const SIGMOIDS: ReadonlyMap<string, "whole" | "unit"> = new Map([
  ["sigmoid", "whole"],
  ["log_sigmoid", "whole"],
  ["softplus", "unit"],
]);
const SOFTMAXES: ReadonlySet<string> = new Set(["softmax", "log_softmax"]);

function withoutSign(e: Expr): Expr {
  const [only] = e.kind === "builtin" && e.fn === "neg" ? e.args : [];
  return only ? withoutSign(only) : e;
}

function rangeText({ low, high }: Range): string {
  if (!Number.isFinite(high)) return `from ${String(low)} on`;
  return Number.isFinite(low) ? `from ${String(low)} to ${String(high)}` : `up to ${String(high)}`;
}

function between({ low, high }: Range): string {
  const at = (x: number): string => (1 / (1 + Math.exp(-x))).toFixed(2).replace(/\.?0+$/u, "");
  if (!Number.isFinite(high)) return `that is never below ${at(low)}`;
  return Number.isFinite(low) ? `that stays within ${at(low)} and ${at(high)}` : `that is never above ${at(high)}`;
}
