/** Conditions of repeated stages, in the states of a session: before the first iteration, and whenever one wants to know. */
import type { EngineSession } from "../engines/engine.js";
import { isBelow, UNCHECKED, type KeptCheck } from "../graph/checks.js";

export async function beginKept(session: EngineSession, kept: readonly KeptCheck[]): Promise<void> {
  for (const { state } of kept) await session.write(state, { dtype: "f32", shape: [], data: Float32Array.of(UNCHECKED) });
}

/** Throws the error of the first condition that did not hold in some iteration. */
export async function verifyKept(session: EngineSession, kept: readonly KeptCheck[]): Promise<void> {
  for (const { state, failed } of kept) {
    const [value = NaN] = (await session.read(state)).data;
    if (isBelow(value)) throw failed(value, "");
  }
}
