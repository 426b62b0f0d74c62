/**
 * The tfjs engine: the graph primitive by primitive on the kernels of TensorFlow.js. `tfjs` takes the best backend that is installed and works;
 * `tfjs:wasm` and the like ask for one.
 */
import { GmcError } from "../../graph/errors.js";
import type { Engine, EngineInfo } from "../engine.js";
import { backends, findBackend, here, type BackendName, type Found, type Surroundings } from "./load.js";
import { withFixedPoints } from "../fixed-points.js";
import { openSession } from "./session.js";

/** `only`: one backend, and no other; without, the first that works. */
export function tfjsEngine(only?: BackendName, around: Surroundings = here): Engine {
  const name = only === undefined ? "tfjs" : `tfjs:${only}`;
  const candidates: readonly BackendName[] = only === undefined ? backends : [only];
  let looked: Promise<readonly Found[]> | undefined;
  /** Up to the first that works. */
  const look = (): Promise<readonly Found[]> =>
    (looked ??= (async () => {
      const found: Found[] = [];
      for (const backend of candidates) {
        const one = await findBackend(backend, around);
        found.push(one);
        if (one.device !== undefined) break;
      }
      return found;
    })());
  return {
    name,
    async probe() {
      return info(name, await look());
    },
    async open() {
      const found = await look();
      const device = found.at(-1)?.device;
      if (device === undefined)
        throw new GmcError("GM5451", `the engine ${name} cannot run: ${info(name, found).detail}`, [
          ...(info(name, found).help ?? []),
          "Choose another engine with --engine, or see what each found with gmc doctor.",
        ]);
      await device.enter();
      return withFixedPoints(openSession(name, device));
    },
  };
}

const install = "npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm";

/** Which backend and why not those before it, or what is missing. */
function info(name: string, found: readonly Found[]): EngineInfo {
  const taken = found.at(-1)!;
  const before = found.filter((one) => one !== taken);
  // that an optional package is not there says nothing; that one does not work does
  const passed = before.flatMap((one) => (one.device === undefined && !one.absent ? [`not ${one.backend}: ${one.detail}`] : []));
  if (taken.device !== undefined) return { name, available: true, detail: [taken.detail, ...passed].join("; ") };
  const absent = found.every((one) => one.device === undefined && one.absent);
  const reasons = [...new Set(found.map((one) => one.detail))];
  const how = found.some((one) => one.backend === "cpu" || one.backend === "wasm") && absent ? [`Install it with ${install}`] : [];
  return { name, available: false, absent, detail: reasons.join("; "), help: how };
}
