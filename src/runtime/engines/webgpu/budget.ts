/**
 * How much memory the engine may take. WebGPU does not say how much a device has, so it is what the caller or the environment says, and on a software
 * adapter, whose memory is the machine's, what the machine has. Without any of these only the limits of single buffers are known.
 */
import { GmcError } from "../../graph/errors.js";
import type { EngineOptions } from "../engine.js";

export interface Budget {
  readonly bytes: number;
  /** Who says so. */
  readonly source: string;
}

const VARIABLE = "GMC_GPU_MEMORY";

interface Process {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly constrainedMemory?: () => number;
}

/** Throws GM4008 where an amount is none. */
export async function budgetOf({ memory }: EngineOptions, { software }: { readonly software: boolean }): Promise<Budget | undefined> {
  if (memory !== undefined) {
    if (!(memory > 0)) throw new GmcError("GM4008", `memory must be a number of bytes above 0, found ${memory}`);
    return { bytes: memory, source: "the option memory" };
  }
  const { process } = globalThis as { readonly process?: Process };
  const told = process?.env?.[VARIABLE];
  if (told !== undefined && told !== "") return { bytes: amount(told), source: `${VARIABLE} is ${told}` };
  if (!software || process === undefined) return undefined;
  const { totalmem } = await import("node:os");
  // of a container; 0, or a number beyond all machines, where there is none
  const granted = process.constrainedMemory?.() ?? 0;
  return { bytes: Math.min(totalmem(), granted > 0 ? granted : Infinity), source: "what this machine has" };
}

const units: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40 }; // prettier-ignore

function amount(text: string): number {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/iu.exec(text) ?? [];
  const bytes = Number(number) * (units[(unit || "B").toUpperCase()] ?? NaN);
  if (!(bytes > 0)) throw new GmcError("GM4008", `${VARIABLE} must be an amount of memory, such as 8GB or 512MiB, found ${text}`);
  return bytes;
}
