/** What a model without an `evaluate` block could be measured by: lines that compile, found by trying them. */
import { writtenLikelihood } from "../../runtime/train/context.js";
import type { ModelDefinition } from "../../runtime/model.js";
import type { CompileOptions } from "../../compile.js";
import { compileFile, hasErrors, type Loaded } from "../sources.js";

/** A note for a model without `evaluate`; none where it has one. */
export function unmeasured(compiled: Loaded, model: ModelDefinition, options: CompileOptions): readonly string[] {
  if (Object.keys(model.evaluate).length > 0) return [];
  const lines = measuresOf(model).find((candidate) => compiles(compiled, model, candidate, options));
  const what = `note: ${model.name} has no \`evaluate\` block: the run ends without a metric`;
  return [lines === undefined ? what : `${what}; add to ${compiled.file.path}: evaluate { ${lines.join("; ")} }`];
}

/** The most telling first. */
function measuresOf(model: ModelDefinition): readonly (readonly string[])[] {
  const p = model.generative;
  const likelihood = writtenLikelihood(model);
  if (likelihood === undefined) return [];
  const nll = `-log ${likelihood}`;
  const logZ = `logZ = ais(${p}, chains = 100, temperatures = 1000)`;
  return [
    [`nll = ${nll}`],
    [logZ, `nll = ${nll}`],
    [logZ, `bound = ${nll} by mean_field(steps = 30)`],
    ...(model.inference === undefined ? [] : [[`nll = -IWAE(${p}, ${model.inference}, k = 100)`]]),
    [`test = mmd_test(${p})`],
  ];
}

function compiles({ file, passes }: Loaded, model: ModelDefinition, lines: readonly string[], options: CompileOptions): boolean {
  const declared = passes.ast.decls.find((each) => each.kind === "model" && each.name.name === model.name);
  if (declared === undefined) return false;
  const end = declared.span.end - 1;
  const text = `${file.text.slice(0, end)}\n  evaluate {\n${lines.join("\n")}\n}\n${file.text.slice(end)}`;
  return !hasErrors(compileFile(file.path, options, { path: file.path, text }).diagnostics);
}
