/** From a product and the shape of a kernel to the kernel's WGSL and its grid. Pure: equal arguments, equal text. */
import { directBody, directGroups } from "./direct.js";
import { skinnyBody, skinnyGroups, skinnyPools, skinnyThreads } from "./skinny.js";
import { gridOf } from "./text.js";
import { tiledBody, tiledGroups, tiledPools, tiledThreads } from "./tiled.js";
import { leastLimits, type GemmChoice, type GemmKernel, type GemmSpec } from "./types.js";

/** What a module begins with: with subgroups, and with float16 among its arrays. */
export const subgroupDirectives = "enable subgroups;\nrequires subgroup_id;\n";
export const halfDirective = "enable f16;\n";

/** `groupLimit` is the device's maxComputeWorkgroupsPerDimension; the least that WebGPU grants where not said. */
export function gemmKernel(spec: GemmSpec, choice: GemmChoice, groupLimit: number = leastLimits.workgroupsPerDimension): GemmKernel {
  const measures = measuresOf(spec, choice);
  const half = spec.a.element === "f16" || spec.b.element === "f16" ? halfDirective : "";
  const directives = `${half}${choice.form === "skinny" && choice.subgroup ? subgroupDirectives : ""}`;
  const head = `// C[${spec.m}, ${spec.n}] = A[${spec.m}, ${spec.k}] B[${spec.k}, ${spec.n}]${spec.batch === 1 ? "" : `, ${spec.batch} times`}; ${choiceName(choice)}\n`;
  const workgroups = gridOf(measures.groups, groupLimit);
  return { wgsl: `${directives}${spec.declarations}\n\n${head}${bodyOf(spec, choice, groupLimit)}\n`, workgroups };
}

function bodyOf(spec: GemmSpec, choice: GemmChoice, groupLimit: number): string {
  switch (choice.form) {
    case "tiled":
      return tiledBody(spec, choice, groupLimit);
    case "skinny":
      return skinnyBody(spec, choice, groupLimit);
    case "direct":
      return directBody(spec, choice, groupLimit);
  }
}

/** What a kernel asks of a device. */
export interface Measures {
  readonly groups: number;
  readonly threads: number;
  /** Bytes of workgroup memory a workgroup. */
  readonly storage: number;
  /** The same by the type of the array that takes them. */
  readonly pools: Pools;
}

/** Bytes of workgroup memory by the element type of the array: `vec4f`, `vec4<f16>`, `f32`, and so on. */
export type Pools = Readonly<Record<string, number>>;

/** What arrays of these sizes take together; each begins at a multiple of 16 bytes, as the limit counts them. */
export const poolBytes = (pools: Pools): number => Object.values(pools).reduce((sum, bytes) => sum + Math.ceil(bytes / 16) * 16, 0);

export function measuresOf(spec: GemmSpec, choice: GemmChoice): Measures {
  const pools = poolsOf(spec, choice);
  const storage = Object.values(pools).reduce((sum, bytes) => sum + bytes, 0);
  switch (choice.form) {
    case "tiled":
      return { groups: tiledGroups(spec, choice), threads: tiledThreads(choice), storage, pools };
    case "skinny":
      return { groups: skinnyGroups(spec, choice), threads: skinnyThreads(choice), storage, pools };
    case "direct":
      return { groups: directGroups(spec, choice), threads: choice.threads, storage, pools };
  }
}

function poolsOf(spec: GemmSpec, choice: GemmChoice): Pools {
  switch (choice.form) {
    case "tiled":
      return tiledPools(spec, choice);
    case "skinny":
      return skinnyPools(spec, choice);
    case "direct":
      return {};
  }
}

/** A name that tells every choice from every other: `tiled 64x64x16, 4x4 a thread, split 4, 2 stages, loads 1 and 4`. */
export function choiceName(choice: GemmChoice): string {
  switch (choice.form) {
    case "tiled":
      return [
        `tiled ${choice.tileM}x${choice.tileN}x${choice.tileK}`,
        `${choice.threadM}x${choice.threadN} a thread`,
        `split ${choice.splitK}`,
        `${choice.stages} ${choice.stages === 1 ? "stage" : "stages"}`,
        `loads of ${choice.widthA} and ${choice.widthB}`,
      ].join(", ");
    case "skinny":
      return [
        `skinny in ${choice.short}`,
        `${choice.places} places`,
        `split ${choice.splitK} (${choice.subgroup ? "subgroups" : `lanes along ${choice.lanes}`})`,
        `loads of ${choice.width}`,
      ].join(", ");
    case "direct":
      return `direct, ${choice.threads} threads`;
  }
}
