/**
 * The webgpu engine: a program as fused WGSL kernels, one command buffer a run, state that stays on the device. In Node through Dawn (the optional
 * package webgpu), in a browser through `navigator.gpu`.
 */
import type { Engine } from "../engine.js";
import { budgetOf } from "./budget.js";
import { mayHaveCard } from "./card.js";
import { findAdapter, openDevice } from "./device.js";
import { checkHalf, wantsHalf } from "./half.js";
import { withFixedPoints } from "../fixed-points.js";
import { notAvailable } from "../not-available.js";
import { openSession } from "./session.js";
import { Choices } from "./tuning-file.js";
import { Tuning, wantsTuning } from "./tuning.js";

export const webgpuEngine: Engine = {
  name: "webgpu",
  async probe({ automatic = false } = {}) {
    if (automatic && !(await mayHaveCard())) return { name: "webgpu", available: false, absent: true, detail: "there is no graphics card" };
    try {
      const { name, software } = await findAdapter();
      return { name: "webgpu", available: true, software, detail: software ? `${name}, a software adapter` : name };
    } catch (error) {
      return notAvailable("webgpu", error);
    }
  },
  async open(options = {}) {
    const half = wantsHalf(options);
    const device = await openDevice();
    if (half) checkHalf(device.limits.gemm.f16, device.adapter.name);
    const tuning = wantsTuning(options) ? new Tuning(device.adapter.name, await Choices.open(), options.onTuning) : undefined;
    return withFixedPoints(openSession(device, { half, budget: await budgetOf(options, device.adapter), tuning }));
  },
};
