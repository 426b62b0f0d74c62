/** What the webgpu engine makes of programs, without a device: how many dispatches, which bytes, the same text every time. */
import { describe, expect, it } from "vitest";
import { compileProgram, type CompiledProgram } from "../../src/runtime/engines/webgpu/compile.js";
import { describeProgram } from "../../src/runtime/engines/webgpu/describe.js";
import { leastLimits } from "../../src/runtime/engines/webgpu/gemm/types.js";
import { planMemory } from "../../src/runtime/engines/webgpu/memory.js";
import { schedule, type Part } from "../../src/runtime/engines/webgpu/schedule.js";
import type { Program, UpdateSpec } from "../../src/runtime/engines/engine.js";
import * as g from "../../src/runtime/graph/index.js";
import { slotNames } from "../../src/runtime/graph/updates.js";
import { vaeStep } from "../numeric/vae-step.js";

/** Storage buffers of a kernel: what cards grant; the least that every device does. */
const [usual, least] = [16, 8];
const device = { gemm: leastLimits, simpleProducts: 0 };
const compiled = (program: Program, maxBuffers = usual): CompiledProgram =>
  compileProgram(program, { ...device, maxBuffers }, () => undefined);
const dispatches = (program: CompiledProgram): string[] =>
  program.stages.flatMap((stage) => stage.steps.map((step) => (step.kind === "dispatch" ? step.dispatch.wgsl : "host")));

/** A whole training step: binarisation and noise drawn, forward, backward, Adam over all weights. */
function vaeTraining({ ema = false, rule = "adam" }: { readonly ema?: boolean; readonly rule?: UpdateSpec["rule"] } = {}): Program {
  const graph = vaeStep({ batch: 128, data: 784, hidden: 400, latent: 20 });
  const weights = graph.nodes.flatMap((n) => (n.prim === "state" ? [n.params.name] : []));
  const order = ["enc", "loc", "logvar", "dec", "out"].flatMap((net) => [`${net}.kernel`, `${net}.bias`]);
  expect([...weights].sort()).toEqual([...order].sort());
  const update: UpdateSpec = {
    rule,
    constants: {},
    learningRate: "lr",
    counter: "count",
    fault: "fault",
    sign: 1,
    clipNorm: null,
    clipValue: null,
    weightDecay: 0,
    ema: ema ? 0.999 : null,
    targets: order.map((weight, i) => ({
      weight,
      gradient: `grad:${i}`,
      slots: slotNames(rule).map((slot) => `${weight}.${slot}`),
      ema: ema ? `ema:${weight}` : null,
      clip: null,
      maxNorm: null,
    })),
  };
  return {
    name: "vae",
    stages: [
      { kind: "call", name: "gradients", graph },
      { kind: "update", name: "adam", update },
    ],
    fetch: ["elbo"],
  };
}

const parameters = 784 * 400 + 400 + 2 * (400 * 20 + 20) + 20 * 400 + 400 + 400 * 784 + 784;

const plain = (graph: g.Graph): CompiledProgram =>
  compiled({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: Object.keys(graph.outputs) });

describe("fusion", () => {
  it("a step of a VAE, optimiser and draws included, takes at most 10 dispatches", () => {
    expect(dispatches(compiled(vaeTraining())).length).toBeLessThanOrEqual(10);
    // what cannot be bound together is computed one after the other
    expect(dispatches(compiled(vaeTraining(), least)).length).toBeLessThanOrEqual(20);
  });

  it.each(["sgd", "momentum", "adam", "adamw", "rmsprop", "adamax"] as const)(
    "%s is one dispatch that works in place, with averages too, and moves nothing else but the gradient",
    (rule) => {
      for (const ema of [false, true]) {
        const program = compiled(vaeTraining({ ema, rule }));
        const update = program.stages[1]!;
        expect(update.steps).toHaveLength(1);
        const states = program.statePacks.map(({ name }) => name);
        expect(states).toHaveLength(1 + slotNames(rule).length + (ema ? 1 : 0));
        expect(states.filter((name) => !update.writes[name]!.inPlace)).toEqual([]);
        const told = describeProgram(program, { label: "ELBO", place: "vae.gm:25" }).stages[1]!.optimiser!;
        expect(told.parameters).toBe(parameters);
        expect(told.least).toBe(8 * states.length);
        // the gradient comes to it: a sixth of Adam's
        if (rule === "adam") expect(told.moved / told.least).toBeLessThanOrEqual(1.25);
        // counted by hand from what the kernel binds: each pack in and out, the gradient in
        const bound = update.steps.flatMap((step) => (step.kind === "dispatch" ? step.dispatch.slots : []));
        const packs = bound.filter(({ ref }) => /pack:|gradients:/u.test(ref));
        const moved = packs.reduce((sum, { access }) => sum + (access === "read" ? 4 : 8), 0);
        expect(moved).toBe(told.least + 4);
        expect(told.moved).toBeGreaterThanOrEqual(moved);
        expect(told.moved).toBeLessThan(moved * 1.001);
      }
    },
  );

  it("what explain tells of that step is what is dispatched, and its optimiser's bytes are 28 a parameter", () => {
    const program = compiled(vaeTraining());
    const told = describeProgram(program, { label: "maximize ELBO(p, q)", place: "vae.gm:25" });
    expect(told.run.dispatches).toBe(dispatches(program).length);
    expect(told.stages.flatMap((stage) => stage.dispatches.map((dispatch) => dispatch.wgsl))).toEqual(dispatches(program));
    const { bytes } = told.stages[1]!.dispatches[0]!;
    expect(bytes).toBeGreaterThanOrEqual(28 * parameters);
    // tensors of a pack begin at multiples of 256 bytes
    expect(bytes).toBeLessThan(28 * (parameters + 10 * 64) + 64);
  });

  it("the optimiser reads and writes each weight and slot once, and the gradient once", () => {
    const program = compiled(vaeTraining());
    const update = program.stages[1]!;
    expect(update.steps).toHaveLength(1);
    const step = update.steps[0]!;
    if (step.kind !== "dispatch") throw new Error("Adam runs on the device");
    const large = step.dispatch.slots.filter((slot) => /pack:|gradients:/u.test(slot.ref));
    // weight, m, v in place, the gradient only read: 28 bytes a parameter where three in, three out are 24
    expect(large.map((slot) => slot.access).sort()).toEqual(["read", "read_write", "read_write", "read_write"]);
    expect((4 + 3 * 8) / 24).toBeLessThanOrEqual(1.25);
  });

  it("gives the same text at every compilation", () => {
    expect(dispatches(compiled(vaeTraining()))).toEqual(dispatches(compiled(vaeTraining())));
  });

  it("keeps to the buffers that a kernel may bind", () => {
    for (const most of [least, 10, usual]) {
      const program = compiled(vaeTraining(), most);
      for (const stage of program.stages)
        for (const step of stage.steps) if (step.kind === "dispatch") expect(step.dispatch.slots.length).toBeLessThanOrEqual(most);
    }
  });

  it("a chain of elementwise operations over views is one kernel that touches memory at its ends only", () => {
    const graph = g.stage({ x: { shape: [129, 30] } }, ({ x }) => ({
      y: g.tanh(g.add(g.mul(g.reverse(g.transpose(x!), 0), 2), g.exp(g.transpose(x!)))),
    }));
    const [text, ...others] = dispatches(plain(graph));
    expect(others).toEqual([]);
    expect(text!.match(/var<storage/gu)).toHaveLength(2);
  });

  it("what follows a product entry by entry is its epilogue", () => {
    const graph = g.stage({ x: { shape: [64, 30] }, w: { shape: [30, 50] }, b: { shape: [50] } }, ({ x, w, b }) => ({
      y: g.tanh(g.add(g.matmul(x!, w!), b!)),
    }));
    const [text, ...others] = dispatches(plain(graph));
    expect(others).toEqual([]);
    expect(text).toContain("tanh_f");
  });

  it("reductions take what is before and after them along", () => {
    const graph = g.stage({ x: { shape: [64, 300] } }, ({ x }) => ({ y: g.sqrt(g.sum(g.square(g.sub(x!, 1)), 1)) }));
    expect(dispatches(plain(graph))).toHaveLength(1);
  });
});

describe("memory", () => {
  const part = (stores: number[], loads: number[], level: number): Part => ({
    core: undefined,
    stores,
    size: 1,
    level,
    host: false,
    loads,
  });
  it("takes a place again after its last reader, never while it is read", () => {
    const slots = planMemory(
      [[part([0], [], 1)], [part([1], [0], 2)], [part([2], [1], 3)], [part([3], [2], 4)]],
      () => 4,
      () => true,
    );
    const slot = (id: number): number => slots.get(id)!;
    expect(new Set(slots.values()).size).toBe(2);
    expect(slot(1)).not.toBe(slot(0));
    expect(slot(2)).toBe(slot(0));
    expect(slot(3)).toBe(slot(1));
  });

  it("no result of a program shares its place with another that is still to be read", () => {
    const graph = g.optimize(vaeStep({ batch: 8, data: 12, hidden: 6, latent: 3 }));
    const planned = schedule(graph, {
      maxBuffers: 10,
      targets: () => 1,
      source: (node) => (node.prim === "state" ? node.params.name : undefined),
    });
    const temporary = (id: number): boolean => !Object.values(graph.outputs).includes(id);
    const slots = planMemory(planned.dispatches, (id) => 4 * g.sizeOf(graph.nodes[id]!.shape), temporary);
    const holds = new Map<number, number>();
    for (const parts of planned.dispatches) {
      for (const id of parts.flatMap((p) => p.loads)) if (slots.has(id)) expect(holds.get(slots.get(id)!)).toBe(id);
      for (const id of parts.flatMap((p) => p.stores)) if (slots.has(id)) holds.set(slots.get(id)!, id);
    }
  });
});
