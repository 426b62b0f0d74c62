/** Compiles `.gm` text and runs the functions of the generated code in float64 on the reference engine, with weights given by path. */
import { compile, type CompileOptions, type Compiled } from "../../src/compile.js";
import { renderDiagnostics } from "../../src/base/render.js";
import { evaluate, type Feed } from "../../src/runtime/engines/reference/evaluate.js";
import * as runtime from "../../src/runtime/index.js";
import {
  type Key,
  materialize,
  type ModelDefinition,
  type Rows,
  rootKey,
  type Shape,
  stage,
  type Tensor,
  type WeightSpecs,
} from "../../src/runtime/index.js";

export interface Loaded {
  readonly ts: string;
  readonly js: string;
  readonly compiled: Compiled;
  readonly weights: WeightSpecs;
  readonly model: ModelDefinition;
  readonly functions: Readonly<Record<string, (...args: never[]) => unknown>>;
}

/** Throws the rendered diagnostics where there are errors. */
export function loadModel(text: string, options: CompileOptions = {}): Loaded {
  const compiled = compile({ path: "test.gm", text }, options);
  if (!compiled.derived) throw new Error(renderDiagnostics(compiled.diagnostics, { color: false }));
  const js = compiled.print("js");
  const names = [...js.matchAll(/^export (?:function|const) (\w+)/gmu)].map((m) => m[1] ?? "");
  const body = js.replace(/^import (\{[^}]*\}) from "gmc\/runtime";$/mu, "const $1 = runtime;").replace(/^export /gmu, "");
  const module = new Function("runtime", `${body}\nreturn { ${names.join(", ")} };`)(runtime) as Readonly<Record<string, unknown>>;
  const functions = Object.fromEntries(Object.entries(module).filter(([, v]) => typeof v === "function")) as Loaded["functions"];
  return {
    ts: compiled.print("ts"),
    js,
    compiled,
    weights: module["weights"] as WeightSpecs,
    model: module["model"] as ModelDefinition,
    functions,
  };
}

export interface RunOptions {
  /** Data by name, [B, ...event]. */
  readonly data?: Readonly<Record<string, { readonly shape: Shape; readonly data: readonly number[]; readonly dtype?: "f32" | "i32" }>>;
  /** State of leaves by path, unconstrained. */
  readonly state?: Readonly<Record<string, readonly number[]>>;
  readonly seed?: number;
  /** "train" unless told. */
  readonly mode?: "train" | "eval";
}

export interface RunContext {
  readonly f: (name: string) => (...args: unknown[]) => Tensor;
  readonly w: never;
  readonly x: Readonly<Record<string, Tensor>>;
  readonly key: Key;
  readonly rows: Rows;
}

/** Stages and evaluates; gives the numbers of every output. */
export function runModel(
  loaded: Loaded,
  fn: (context: RunContext) => Readonly<Record<string, Tensor>>,
  options: RunOptions = {},
): Readonly<Record<string, readonly number[]>> {
  const data = options.data ?? {};
  const graph = stage(
    Object.fromEntries(Object.entries(data).map(([name, d]) => [name, { shape: d.shape, dtype: d.dtype ?? "f32" }])),
    (inputs) => {
      const first = Object.values(inputs)[0];
      return fn({
        f: (name) => loaded.functions[name] as unknown as (...args: unknown[]) => Tensor,
        w: materialize(loaded.weights) as never,
        x: inputs,
        key: rootKey(),
        rows: { kind: "rows", size: first?.shape[0] ?? 1 },
      });
    },
    { mode: options.mode ?? "train" },
  );
  const feeds: Record<string, Feed> = {
    rng: [options.seed ?? 1, 0, 0, 0],
    ...Object.fromEntries(Object.entries(data).map(([name, d]) => [name, { shape: d.shape, data: d.data }])),
    ...options.state,
  };
  return Object.fromEntries(Object.entries(evaluate(graph, feeds)).map(([name, v]) => [name, Array.from(v.data)]));
}
