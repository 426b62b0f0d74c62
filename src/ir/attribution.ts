/**
 * Findings inside a template belong to its call too: the template may be right and the call wrong. The call comes first where the template is of
 * the library, which its user may never have seen and cannot mend. In a file of the project the place itself comes first: what is wrong with
 * the template alone is then told once, however often it is used.
 */
import { Diagnostics } from "../base/report.js";
import type { Diagnostic, Label } from "../base/diagnostic.js";
import { type Span, textOf } from "../base/source.js";
import type { Env } from "./env.js";
import { isOfLibrary } from "./std.js";
import type { LayerInstance, Net } from "./types.js";

export function attributed<T>(env: Env, template: Span, call: Span, run: (env: Env) => T): T {
  const inside = new Diagnostics();
  const result = run({ ...env, cx: { ...env.cx, diagnostics: inside } });
  for (const diagnostic of inside.list) env.cx.diagnostics.add(blame(diagnostic, template, call));
  return result;
}

function blame(diagnostic: Diagnostic, template: Span, call: Span): Diagnostic {
  const [primary, ...others] = diagnostic.labels;
  if (!primary || primary.span.file.path !== template.file.path) return diagnostic;
  const text = `in this use of \`${textOf(template)}\``;
  const labels = isOfLibrary(template.file) ? [{ span: call, text }, primary, ...others] : [primary, { span: call, text }, ...others];
  return { ...diagnostic, labels };
}

/** A layer as a place of a report: where its template is used first, if that is of the library, which every instance shares. `text` is said of the layer. */
export function placeOfLayer(
  nets: readonly Net[],
  instance: LayerInstance,
  text = "",
): { readonly span: Span; readonly label: string; readonly labels: readonly Label[] } {
  // the innermost use that the user has written
  const [net] = nets
    .filter(({ use, path }) => use !== undefined && !isOfLibrary(use.file) && instance.path.startsWith(`${path}.`))
    .sort((a, b) => b.path.length - a.path.length);
  if (net?.use === undefined) return { span: instance.span, label: text, labels: [] };
  const used = `in this use of \`${net.template ?? net.name}\``;
  if (!isOfLibrary(instance.span.file)) return { span: instance.span, label: text, labels: [{ span: net.use, text: used }] };
  return { span: net.use, label: text === "" ? used : `${text}, ${used}`, labels: [{ span: instance.span, text: "by this layer" }] };
}
