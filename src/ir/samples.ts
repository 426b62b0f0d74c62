/** Indices of samples: `z[i]` inside `mean[i in 1..k](…)`, or `z[1]`. */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import type { Env } from "./env.js";
import { showDim } from "./shapes.js";
import { requireInteger } from "./static.js";
import type { Dim, SampleIndex } from "./types.js";

export type { SampleIndex } from "./types.js";

export function objectiveSample(
  env: Env,
  index: ast.Expr | ast.RangeExpr | undefined,
  samples: Dim | undefined,
  name: string,
  span: Span,
): SampleIndex | undefined {
  if (index === undefined || index.kind === "range" || samples === undefined) {
    report(
      env.cx.diagnostics,
      "GM3512",
      span,
      { variable: name },
      { help: [`read one of them: \`${name}[i]\` inside \`mean[i in 1..k](…)\``] },
    );
    return undefined;
  }
  const entity = index.kind === "name" ? env.scope.find(index.name) : undefined;
  if (entity?.kind === "poison") return undefined;
  if (entity?.kind === "sampleIndex") {
    if (entity.count.size === samples.size) return { kind: "index", index: entity.index };
    report(
      env.cx.diagnostics,
      "GM3037",
      index.span,
      { name, samples: showDim(samples), range: showDim(entity.count) },
      { labels: [{ span: entity.span, text: `runs over ${showDim(entity.count)}` }] },
    );
    return undefined;
  }
  const position = requireInteger(env, index, "the number of a sample", 1);
  if (!position) return undefined;
  if (position.value <= samples.size) return { kind: "at", position: position.value };
  report(
    env.cx.diagnostics,
    "GM2038",
    index.span,
    { index: String(position.value), size: showDim(samples) },
    { help: [`\`${name}\` was drawn ${samples.size} times`] },
  );
  return undefined;
}
