/**
 * A case, compiled and run, against the sum over all states: the value that training reports and the gradient that it takes. Exact estimates must be
 * equal up to the f32 of what the engine hands out; sampled ones lie within some standard errors, and what does not is drawn again, many more times.
 */
import { compile } from "../../src/compile.js";
import { explain } from "../../src/codegen/explain.js";
import { type ModelDefinition, referenceEngine, train } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { gradientsOf, type GradientResult } from "./gradients.js";
import { loadModel } from "./model.js";
import { differences, spread, type Vectors } from "./numbers.js";
import { OffGrid, TooLong, valueOf } from "./objective-oracle.js";
import { type Case, childrenOf, modelText, type Node, type Variable } from "./objective-tree.js";

export type Outcome =
  | { readonly kind: "exact" | "sampled"; readonly estimators: readonly string[] }
  | { readonly kind: "diagnosed"; readonly codes: readonly string[] }
  /** Too many states for the oracle or a kink that it does not integrate, values past what an estimate resolves, or no weight in it. */
  | { readonly kind: "skipped"; readonly why: string }
  | { readonly kind: "wrong"; readonly why: string };

const DRAWS = { rows: 200, steps: 40 };
const MORE = { rows: 400, steps: 100 };

/** Two rows of data. */
function rowsOf(variables: readonly Variable[]): readonly Readonly<Record<string, number | readonly number[]>>[] {
  const values: Readonly<Record<Variable["domain"], readonly (readonly number[])[]>> = {
    real: [[0.75], [-0.5]],
    binary: [
      [1, 0],
      [0, 1],
    ],
    category: [[2], [0]],
  };
  return [0, 1].map((row) =>
    Object.fromEntries(
      variables.map((v) => {
        const entries = values[v.domain][row] ?? [];
        return [v.name, v.size > 0 ? entries.slice(0, v.size) : Math.min(entries[0] ?? 0, v.domain === "category" ? v.classes - 1 : 1)];
      }),
    ),
  );
}

export function weightsOf({ weights }: Pick<Case, "weights">): Vectors {
  return Object.fromEntries(
    Object.entries(weights).map(([name, shape], i) => [
      name,
      spread(
        shape.reduce((a, b) => a * b, 1),
        1,
        2.3 + 1.31 * i,
      ),
    ]),
  );
}

export async function checked(c: Case): Promise<Outcome> {
  if (isRough(c)) return { kind: "skipped", why: "a kink in a real latent" };
  const data = Object.values(c.variables).filter((v) => v.role === "data");
  const rows = rowsOf(data);
  const at = weightsOf(c);
  const exact = (w: Vectors): number => rows.reduce((s, row) => s + valueOf(c, row, w, at), 0) / rows.length;
  const text = modelText(c);
  let codes: readonly string[];
  let estimators: readonly string[];
  try {
    const { derived, diagnostics } = compile({ path: "random.gm", text });
    codes = diagnostics.filter((d) => d.severity === "error").map((d) => d.code);
    if (!derived) return codes.length > 0 ? { kind: "diagnosed", codes } : { kind: "wrong", why: "neither compiled nor told why" };
    if (diagnostics.some((d) => d.code === "GM3513")) return { kind: "skipped", why: "nothing is trained" };
    estimators = (explain(derived).train[0]?.latents ?? []).map((l) => l.estimator);
  } catch (error) {
    return { kind: "wrong", why: `the compiler fails: ${String(error)}` };
  }
  let value: number;
  try {
    value = exact(at);
  } catch (error) {
    const skipped = unlisted(error);
    if (skipped === undefined) throw error;
    return skipped;
  }
  if (!Number.isFinite(value) || Math.abs(value) > 100) return { kind: "skipped", why: "out of range" };
  let model: ModelDefinition;
  try {
    model = loadModel(text).model;
  } catch (error) {
    return { kind: "wrong", why: `the compiler fails: ${String(error)}` };
  }
  const run = async (by: { rows: number; steps: number }, seed: number): Promise<GradientResult> => {
    const feeds = Object.fromEntries(
      data.map((v) => [v.name, Array.from({ length: by.rows }, (_, i) => rows[i % 2]?.[v.name] ?? NaN).flat()]),
    );
    return gradientsOf(model, { weights: at, data: feeds, ...by, burnIn: 2, seed });
  };
  let want: Vectors;
  try {
    const once = await run({ rows: 20, steps: 1 }, 1);
    const [a, b] = [await run({ rows: 20, steps: 1 }, 2), await run({ rows: 20, steps: 1 }, 3)];
    want = gradient(c, exact, at);
    const same = [a, b].every((o) => JSON.stringify([o.value, o.gradients]) === JSON.stringify([once.value, once.gradients]));
    // few draws may agree by chance: what then lies apart is drawn again
    if (same && apart(once, value, want, 0) === undefined) return { kind: "exact", estimators };
    const first = apart(await run(DRAWS, 4), value, want, 5);
    if (first === undefined) return { kind: "sampled", estimators };
    const again = apart(await run(MORE, 5), value, want, 6);
    return again === undefined ? { kind: "sampled", estimators } : { kind: "wrong", why: again };
  } catch (error) {
    return unlisted(error) ?? { kind: "wrong", why: String(error) };
  }
}

/** The value that an evaluation after a step of training reports, all rows alike, against that at the weights that the step left. */
export async function measured(c: Case): Promise<Outcome> {
  if (isRough(c)) return { kind: "skipped", why: "a kink in a real latent" };
  const data = Object.values(c.variables).filter((v) => v.role === "data");
  const [row = {}] = rowsOf(data);
  const { diagnostics, derived } = compile({ path: "random.gm", text: modelText(c, true) });
  if (!derived) return { kind: "diagnosed", codes: diagnostics.filter((d) => d.severity === "error").map((d) => d.code) };
  const values = Object.fromEntries(
    data.map((v) => [v.name, Float32Array.from(Array.from({ length: 400 }, () => row[v.name] ?? NaN).flat())]),
  );
  try {
    const { model } = loadModel(modelText(c, true));
    const trained = await train(model, { data: datasetOf(model, { train: values, test: values }), engine: referenceEngine, seed: 1 });
    const found = await trained.weights();
    const { measured: metric } = (await trained.evaluate({ split: "test" })).metrics;
    trained.close();
    const at: Vectors = { ...weightsOf(c), ...Object.fromEntries(Object.entries(found).map(([name, t]) => [name, Array.from(t.data)])) };
    const want = valueOf(c, row, at);
    if (!Number.isFinite(want) || Math.abs(want) > 100) return { kind: "skipped", why: "out of range" };
    const off = Math.abs((metric?.value ?? NaN) - want);
    const error = metric?.standardError ?? 0;
    if (off <= 2e-6 * (1 + Math.abs(want))) return { kind: "exact", estimators: [] };
    return off <= 6 * error
      ? { kind: "sampled", estimators: [] }
      : { kind: "wrong", why: `measured: ${metric?.value} +- ${error}, and is ${want}` };
  } catch (error) {
    return unlisted(error) ?? { kind: "wrong", why: String(error) };
  }
}

function unlisted(error: unknown): Outcome | undefined {
  if (error instanceof TooLong) return { kind: "skipped", why: "too many states" };
  if (error instanceof OffGrid) return { kind: "skipped", why: "a latent off the grid" };
  return undefined;
}

/** By central differences in the weights that the objective reads, itself or through densities; 0 in the others. */
function gradient(c: Case, exact: (w: Vectors) => number, at: Vectors): Vectors {
  const text = modelText({ ...c, densities: Object.fromEntries(Object.entries(c.densities).filter(([name]) => reads(c.objective, name))) });
  const body = text.replace(/^ *param .*$/gmu, "");
  const [used, idle]: [Record<string, readonly number[]>, Record<string, readonly number[]>] = [{}, {}];
  for (const [name, value] of Object.entries(at)) {
    if (new RegExp(`\\b${name}\\b`, "u").test(body)) used[name] = value;
    else idle[name] = value.map(() => 0);
  }
  return { ...idle, ...differences((w) => exact({ ...at, ...w }), used) };
}

/** Whether the trapezoidal rule would have to integrate what is not smooth in a real latent. */
const isRough = (c: Case): boolean =>
  Object.values(c.variables).some((v) => v.role === "latent" && v.domain === "real") && hasKink(c.objective);

function hasKink(n: Node): boolean {
  const here =
    n.kind === "where" ||
    n.kind === "optimum" ||
    (n.kind === "plate" && (n.op === "max" || n.op === "min")) ||
    (n.kind === "unary" && (n.fn === "relu" || n.fn === "abs")) ||
    (n.kind === "binary" && (n.fn === "maximum" || n.fn === "minimum"));
  return here || childrenOf(n).some(hasKink);
}

function reads(n: Node, density: string): boolean {
  const here =
    n.kind === "density"
      ? n.density === density
      : n.kind === "expect" && n.sources.some((s) => s.kind === "density" && s.density === density);
  return here || childrenOf(n).some((m) => reads(m, density));
}

/** What lies further off than `width` standard errors. */
function apart(got: GradientResult, value: number, want: Vectors, width: number): string | undefined {
  const off = (name: string, found: number, exact: number, error: number): string | undefined =>
    Math.abs(found - exact) <= width * error + 2e-6 * (1 + Math.abs(exact)) ? undefined : `${name}: ${found} +- ${error}, and is ${exact}`;
  const list = [
    off("value", got.value.mean[0] ?? NaN, value, got.value.standardError[0] ?? 0),
    ...Object.entries(got.gradients).flatMap(([name, g]) =>
      g.mean.map((m, i) => off(`d ${name}[${i}]`, m, want[name]?.[i] ?? NaN, g.standardError[i] ?? 0)),
    ),
  ].flatMap((o) => o ?? []);
  return list.length > 0 ? list.join("; ") : undefined;
}
