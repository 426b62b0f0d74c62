/** Loads onnxruntime-node, which is an optional dependency, and makes its sessions. */
import type * as Ort from "onnxruntime-node";
import { GmcError } from "../../graph/errors.js";
import type { ProviderName } from "./providers.js";

export type OrtModule = typeof Ort;

const installOrt = "npm install --ignore-scripts onnxruntime-node";

let loaded: Promise<OrtModule> | undefined;

/** The module; a GmcError (GM5401) where it is not installed or does not load. */
export function loadOrt(): Promise<OrtModule> {
  loaded ??= import("onnxruntime-node").then(
    // a CommonJS module: its exports are the default one
    (module): OrtModule => (module as unknown as { readonly default: OrtModule }).default,
    (error: unknown) => {
      loaded = undefined;
      throw missing(error);
    },
  );
  return loaded;
}

function missing(error: unknown): GmcError {
  const absent = (error as { readonly code?: string } | null)?.code === "ERR_MODULE_NOT_FOUND";
  const what = absent ? "onnxruntime-node is not installed" : `onnxruntime-node does not load here: ${firstLine(error)}`;
  return new GmcError("GM5401", `the onnx engine cannot run: ${what}`, [
    // its install script fetches CUDA libraries from elsewhere than the registry, and npm leaves an optional package out whose script fails
    `Install it with \`${installOrt}\`, or choose another engine with --engine.`,
  ]);
}

export interface SessionOptions {
  /** undefined takes the physical cores */
  readonly threads: number | undefined;
  /** Where several sessions take turns, threads of one must not spin while another works. */
  readonly alone: boolean;
  /** Takes what it can of a model, the CPU the rest; undefined is the CPU alone. */
  readonly provider: ProviderName | undefined;
}

/** A session over a model; GM5402 where onnxruntime refuses it. */
export async function createSession(
  ort: OrtModule,
  name: string,
  bytes: Uint8Array,
  options: SessionOptions,
): Promise<Ort.InferenceSession> {
  const settings: Ort.InferenceSession.SessionOptions = {
    // what it says comes back as an error of ours
    executionProviders: options.provider === undefined ? ["cpu"] : [options.provider, "cpu"],
    executionMode: "sequential",
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    logSeverityLevel: 4,
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    extra: {
      session: {
        // Numbers below 1e-38 are 0, as TensorFlow and XLA have it too: a processor multiplies them at a hundredth of its speed, and products of
        // small importance weights and flat sigmoids are full of them. The first session of a process sets this for the thread that made it as well.
        set_denormal_as_zero: "1",
        // Microseconds that a thread waits for more work before it sleeps. By default it waits for milliseconds: where others want the core, the
        // system then takes it away in the middle of a product, and a step takes five times as long. The gaps between products are shorter than this.
        intra_op: { spin_duration_us: "50" },
        ...(options.alone ? {} : { force_spinning_stop: "1" }),
      },
    },
  };
  try {
    return await ort.InferenceSession.create(bytes, settings);
  } catch (error) {
    throw failed(name, error);
  }
}

/** What onnxruntime says, as an error of ours. */
export function failed(name: string, error: unknown): GmcError {
  const said = firstLine(error);
  if (/indices element out of data bounds|idx=.* must be within/.test(said)) {
    return new GmcError("GM4907", `${name}: an index lies outside the axis that it picks from`, [said]);
  }
  return new GmcError("GM5402", `onnxruntime stopped in ${name}: ${said}`);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0]!;
}
