/**
 * A session: a store, and the programs compiled against it. A run sends the small feeds in one upload, records all stages in one command buffer, repeats
 * included, and reads back what is fetched; runs that are started go into one command buffer together. Runs of one session are recorded in turn.
 */
import { inTurn } from "../shared.js";
import { stagedFor } from "../../graph/host.js";
import { GmcError, InternalError } from "../../graph/errors.js";
import { runKernel } from "../../graph/semantics/kernels.js";
import { allocate, fromHost, toHost, valueOf, type Value as HostValue } from "../../graph/semantics/value.js";
import { sizeOf } from "../../graph/shape.js";
import type { NodeOf, Prim } from "../../graph/types.js";
import type { EngineSession, Executable, HostTensor, HostTensors, Program, Started, StateSpec, TableRows } from "../engine.js";
import { shortageError, type MemoryShortage } from "../shortage.js";
import type { Assembled } from "./assemble.js";
import type { Budget } from "./budget.js";
import { Compilations } from "./compilations.js";
import type { CompiledProgram, CompiledStage, Step, Value } from "./compile.js";
import type { Commands } from "./commands.js";
import { uniformStride, usage, type Device, type Pipeline } from "./device.js";
import { checkIndices } from "./indices.js";
import { ITERATIONS, memoryNeed, NUMBERS, programBuffers, shortageOf, type MemoryNeed } from "./need.js";
import { bytesOf, Memory, Store, type Region } from "./store.js";
import { timeDispatch } from "./timing.js";
import type { Tuning } from "./tuning.js";
import { asDeviceTable, Tables, valuesOf, type DeviceTable, type Filler } from "./tables.js";

export interface SessionOptions {
  /** What the engine may take of the device's memory, where that is known. */
  readonly budget?: Budget | undefined;
  /** Kernels of products are measured. */
  readonly tuning?: Tuning | undefined;
  /** Results that products read are kept as float16, see half.ts. */
  readonly half?: boolean;
}

export function openSession(device: Device, { budget, tuning, half = false }: SessionOptions = {}): EngineSession {
  const memory = new Memory(device, budget);
  const store = new Store(memory);
  const open = new Set<Executable>();
  const queued = inTurn();
  const compilations = new Compilations({ ...device.limits, half });
  // of the executables that are open, and of those on their way
  const taken = new Set<{ readonly compiled: CompiledProgram }>();
  const tables = new Tables(device, memory);
  memory.release = () => tables.drop();
  const planned = (more: readonly CompiledProgram[], states: ReadonlyMap<string, StateSpec>): MemoryNeed =>
    memoryNeed([...[...taken].map(({ compiled }) => compiled), ...more], states);
  // tables are not planned for: what needs their memory gets it
  const makeRoom = (more: readonly CompiledProgram[], states: ReadonlyMap<string, StateSpec>): void => {
    if (budget === undefined || tables.bytes === 0) return;
    const { held, passing } = planned(more, states);
    if (held + passing + tables.bytes > budget.bytes) tables.drop();
  };
  const shortage = (more: readonly CompiledProgram[], states: ReadonlyMap<string, StateSpec>): MemoryShortage | undefined =>
    shortageOf(planned(more, states), memory);
  return {
    engine: "webgpu",
    write: (name, value) => store.write(name, value),
    read: (name) =>
      queued(async () => {
        const read = memory.commands.read([store.current(name)]);
        memory.commands.submit();
        return (await read)[0]!;
      }),
    has: (name) => store.has(name),
    drop: (name) => store.drop(name),
    memoryShortage(programs, added) {
      const states = new Map([...store.specs(), ...added]);
      const compiled = programs.map((program) => compilations.of(program, (name) => states.get(name)?.shape));
      return shortage(compiled, states);
    },
    flush: () => memory.commands.submit(),
    hold(table) {
      device.check();
      return tables.hold(table);
    },
    async compile(program) {
      device.check();
      const states = store.specs();
      const plan = compilations.of(program, (name) => states.get(name)?.shape);
      const short = shortage([plan], states);
      if (short !== undefined) throw shortageError(short, `the program ${program.name}`);
      makeRoom([plan], states);
      const place = { compiled: plan };
      taken.add(place);
      const make = async (): Promise<ProgramRunner> => {
        const compiled = await tuning?.fastest(plan, (dispatch, bytes) => timeDispatch(device, dispatch, bytes));
        return ProgramRunner.make(device, memory, store, program, compiled ?? plan, tables);
      };
      const runner = await make().catch((error: unknown) => {
        taken.delete(place);
        throw error;
      });
      const executable: Executable = {
        run: (feeds) => queued(() => runner.run(feeds)),
        start: (feeds, rows = {}) => queued(() => runner.start(feeds, rows)),
        dispose() {
          if (!open.delete(executable)) return;
          taken.delete(place);
          void queued(() => Promise.resolve(runner.dispose()));
        },
      };
      open.add(executable);
      return executable;
    },
    dispose() {
      for (const executable of open) executable.dispose();
      void queued(() => {
        store.clear();
        tables.drop();
        memory.commands.dispose();
        return Promise.resolve();
      });
    },
  };
}

type Ready =
  | { readonly kind: "dispatch"; readonly dispatch: Assembled; readonly pipeline: Pipeline; readonly groups: Map<string, GPUBindGroup> }
  | Extract<Step, { kind: "host" }>;

class ProgramRunner {
  private readonly fixed = new Map<string, Region>();
  /** Results that lie in a region of several, and states that do. */
  private readonly parts = new Map<string, Region>();
  private readonly packs = new Map<string, Region>();
  private numbers: GPUBindGroup | undefined;
  private readonly fillers = new Map<string, Filler>();
  private readonly commands: Commands;

  private constructor(
    private readonly device: Device,
    private readonly memory: Memory,
    private readonly store: Store,
    private readonly program: Program,
    private readonly compiled: CompiledProgram,
    private readonly steps: readonly (readonly Ready[])[],
    private readonly tables: Tables,
  ) {
    this.commands = memory.commands;
  }

  static async make(
    device: Device,
    memory: Memory,
    store: Store,
    program: Program,
    compiled: CompiledProgram,
    tables: Tables,
  ): Promise<ProgramRunner> {
    const steps = await Promise.all(
      compiled.stages.map((stage) =>
        Promise.all(
          stage.steps.map(async (step): Promise<Ready> => {
            if (step.kind === "host") return step;
            const { wgsl, slots, iteration } = step.dispatch;
            const access = slots.map((slot) => slot.access);
            return {
              kind: "dispatch",
              dispatch: step.dispatch,
              pipeline: await device.pipeline(wgsl, access, iteration),
              groups: new Map(),
            };
          }),
        ),
      ),
    );
    const runner = new ProgramRunner(device, memory, store, program, compiled, steps, tables);
    runner.allocate();
    return runner;
  }

  /** All that the program has for itself; states are the store's. */
  private allocate(): void {
    const { compiled, memory, fixed } = this;
    for (const { name, bytes } of programBuffers(compiled)) fixed.set(name, memory.region(bytes, name === NUMBERS ? usage.uniform : 0));
    memory.upload(fixed.get("constants")!, compiled.constants);
    for (const pack of compiled.gradientPacks) {
      pack.members.forEach((ref, i) => {
        const { dtype, shape } = compiled.outs.get(ref)!;
        this.parts.set(ref, memory.within(fixed.get(pack.name)!, pack.offsets[i]!, dtype, shape));
      });
    }
  }

  dispose(): void {
    for (const filler of this.fillers.values()) filler.dispose();
    for (const region of this.fixed.values()) this.memory.free(region);
  }

  async run(feeds: HostTensors): Promise<HostTensors> {
    this.commands.begin(false);
    const { results } = await this.record(feeds, {});
    this.commands.submit();
    return results;
  }

  /** Recorded, and sent with what is started after it. */
  start(feeds: HostTensors, rows: Readonly<Record<string, TableRows>>): Promise<Started> {
    this.commands.begin(true);
    const few = Object.entries(rows).filter(([name]) => this.compiled.scalars.has(name));
    const values = few.map(([name, from]) => [name, { ...this.compiled.scalars.get(name)!, data: valuesOf(from) }] as const);
    return this.record({ ...feeds, ...Object.fromEntries(values) }, rows);
  }

  /** In an object, as an async function would wait for a bare promise of the results. */
  private async record(feeds: HostTensors, rows: Readonly<Record<string, TableRows>>): Promise<Started> {
    this.device.check();
    for (const { name, members } of this.compiled.statePacks) this.packs.set(name, this.store.pack(members).region);
    await this.send(feeds, rows);
    if (this.compiled.gradientPacks.length > 0) this.commands.betweenPasses().clearBuffer(this.fixed.get("flags")!.buffer);
    for (const [i, stage] of this.compiled.stages.entries()) await this.stage(stage, this.steps[i]!, feeds);
    return { results: this.fetch(feeds) };
  }

  private fetch(feeds: HostTensors): Promise<HostTensors> {
    const { program, compiled, store } = this;
    const places = program.fetch.map((name) => {
      const value = compiled.values.get(name);
      if (value !== undefined) return { ...this.regionOf(value.ref), dtype: value.dtype, shape: value.shape };
      if (Object.hasOwn(feeds, name)) return undefined;
      if (store.has(name)) return store.current(name);
      throw new GmcError("GM4906", `program ${program.name}: no stage gave ${name}`);
    });
    // what is fed is given back, and may have changed once the rest is there
    const back = Object.fromEntries(program.fetch.flatMap((name, i) => (places[i] === undefined ? [[name, feeds[name]!]] : [])));
    const results = this.commands.read(places.filter((place) => place !== undefined)).then((read) => {
      let next = 0;
      return Object.fromEntries(program.fetch.map((name) => [name, back[name] ?? read[next++]!]));
    });
    // whoever started a run may have given up before it is over
    results.catch(() => undefined);
    return results;
  }

  // -- feeds

  private async send(feeds: HostTensors, rows: Readonly<Record<string, TableRows>>): Promise<void> {
    const { compiled } = this;
    const scalars = new Uint32Array(compiled.scalarWords);
    for (const [name, { dtype, shape, offset }] of compiled.scalars) {
      const { data } = checkedFeed(feeds, name, { dtype, shape });
      const words = data instanceof Uint8Array ? Uint32Array.from(data) : new Uint32Array(data.buffer, data.byteOffset, data.length);
      scalars.set(words, offset);
    }
    this.memory.upload(this.fixed.get("scalars")!, scalars);
    for (const stage of compiled.stages) {
      for (const axis of stage.indexed) {
        const from = rows[axis.input];
        if (from === undefined) checkIndices(axis, feedOf(feeds, axis.input));
        else asDeviceTable(from.table).check(axis);
      }
      for (const [name, spec] of stage.feeds) {
        const target = this.fixed.get(`feed:${name}`)!;
        const from = rows[name];
        if (from === undefined) this.memory.upload(target, checkedFeed(feeds, name, spec).data);
        else (await this.filler(name, asDeviceTable(from.table), from.rows.length, target)).run(from.rows);
      }
    }
  }

  private async filler(name: string, table: DeviceTable, batch: number, target: Region): Promise<Filler> {
    const known = this.fillers.get(name);
    if (known?.table === table) return known;
    known?.dispose();
    const filler = await this.tables.filler(table, batch, target);
    this.fillers.set(name, filler);
    return filler;
  }

  private async scalar(source: number | string, feeds: HostTensors): Promise<number> {
    if (typeof source === "number") return source;
    const given = this.compiled.values.get(source);
    if (given === undefined) return feedOf(feeds, source).data[0]!;
    const read = this.commands.read([{ ...this.regionOf(given.ref), dtype: given.dtype, shape: given.shape }]);
    this.commands.submit();
    return (await read)[0]!.data[0]!;
  }

  // -- stages

  private async stage(stage: CompiledStage, steps: readonly Ready[], feeds: HostTensors): Promise<void> {
    for (const [name, { dtype, shape }] of stage.states) if (!this.packs.has(name)) this.store.checked(name, dtype, shape);
    if (stage.repeat === undefined) return this.once(stage, steps, 0);
    const [count, first] = [await this.scalar(stage.repeat.count, feeds), await this.scalar(stage.repeat.first, feeds)];
    for (let start = 0; start < count; start += ITERATIONS) {
      const length = Math.min(ITERATIONS, count - start);
      if (start > 0) this.commands.submit();
      if (steps.some((step) => step.kind === "dispatch" && step.dispatch.iteration)) this.numberIterations(first + start, length);
      for (let i = 0; i < length; i++) await this.once(stage, steps, i);
    }
  }

  /** The graph of a stage, then its writes. */
  private async once(stage: CompiledStage, steps: readonly Ready[], iteration: number): Promise<void> {
    for (const step of steps) {
      if (step.kind === "dispatch") this.encode(step, stage, iteration);
      else await this.onHost(step, stage);
    }
    for (const [name, { inPlace }] of Object.entries(stage.writes)) {
      const pack = this.packs.get(name);
      if (pack === undefined) this.store.swap(name, () => this.commands.betweenPasses());
      else if (!inPlace)
        this.commands.betweenPasses().copyBufferToBuffer(this.fixed.get(`write:${name}`)!.buffer, 0, pack.buffer, 0, pack.bytes);
    }
  }

  private numberIterations(first: number, count: number): void {
    const region = this.fixed.get(NUMBERS)!;
    this.numbers ??= this.device.gpu.createBindGroup({
      layout: this.device.iterationLayout,
      entries: [{ binding: 0, resource: { buffer: region.buffer, size: 16 } }],
    });
    const numbers = new Int32Array((count * uniformStride) / 4);
    for (let i = 0; i < count; i++) numbers[(i * uniformStride) / 4] = first + i;
    this.memory.upload(region, numbers);
  }

  private encode(step: Extract<Ready, { kind: "dispatch" }>, stage: CompiledStage, iteration: number): void {
    const { dispatch, pipeline, groups } = step;
    if (dispatch.workgroups[0] === 0) return;
    const regions = dispatch.slots.map((slot) => this.find(slot.ref, stage));
    const key = regions.map((region) => region.key).join();
    let group = groups.get(key);
    if (group === undefined) {
      if (groups.size > 64) groups.clear();
      group = this.device.gpu.createBindGroup({
        layout: pipeline.layout,
        entries: regions.map(({ buffer, offset, bytes }, binding) => ({ binding, resource: { buffer, offset, size: bytes } })),
      });
      groups.set(key, group);
    }
    const pass = this.commands.computePass();
    pass.setPipeline(pipeline.pipeline);
    pass.setBindGroup(0, group);
    if (dispatch.iteration) pass.setBindGroup(1, this.numbers!, [iteration * uniformStride]);
    pass.dispatchWorkgroups(...dispatch.workgroups);
  }

  private find(ref: string, stage: CompiledStage): Region {
    const colon = ref.indexOf(":");
    const name = ref.slice(colon + 1);
    switch (ref.slice(0, Math.max(colon, 0))) {
      case "state":
        return this.packs.get(name) ?? this.store.current(name);
      case "write": {
        if (this.packs.has(name)) return this.regionOf(ref);
        const { dtype, shape } = stage.writes[name]!;
        return this.store.spare(name, dtype, shape);
      }
      default:
        return this.regionOf(ref);
    }
  }

  private regionOf(ref: string): Region {
    const region = this.parts.get(ref) ?? this.fixed.get(ref);
    if (region === undefined) throw new InternalError(`there is no buffer ${ref}`);
    return region;
  }

  /** Reads the operands back, computes, writes the result. */
  private async onHost(step: Extract<Step, { kind: "host" }>, stage: CompiledStage): Promise<void> {
    const inMemory = step.inputs.filter((input) => input.ref !== "");
    const places = inMemory.map(({ ref, dtype, shape }) => {
      const [name, offset] = [ref.slice(0, ref.lastIndexOf("+")), Number(ref.slice(ref.lastIndexOf("+") + 1))];
      const region = this.find(name, stage);
      return { ...region, offset: region.offset + 4 * offset, bytes: bytesOf(shape), dtype, shape };
    });
    const reading = this.commands.read(places);
    this.commands.submit();
    const read = await reading;
    let [next, constant] = [0, 0];
    const operands = step.inputs.map(({ ref, shape, dtype }): HostValue => {
      if (ref !== "") return fromHost(read[next++]!);
      const value = valueOf(shape, dtype, new Array<number>(sizeOf(shape)).fill(step.constants[constant++]!.params.values[0]!));
      return value;
    });
    const out = allocate(step.node.shape, step.node.dtype);
    runKernel(step.node as NodeOf<Prim>, operands, out);
    for (const ref of step.outputs) this.memory.upload(this.find(ref, stage), toHost(out).data);
  }
}

function feedOf(feeds: HostTensors, name: string): HostTensor {
  const value = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
  if (value === undefined) throw new GmcError("GM4906", `the input ${name} has no value`);
  return value;
}

function checkedFeed(feeds: HostTensors, name: string, { dtype, shape }: Omit<Value, "ref">): HostTensor {
  return stagedFor(`input ${name}`, feedOf(feeds, name), { dtype, shape });
}
