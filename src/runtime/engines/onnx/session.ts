/**
 * A session: one arena, one store, the programs compiled against them. A run goes through the stages in order; what a stage gives is found
 * by name by those after it. Runs of one session wait for each other.
 */
import { inTurn, readAfter } from "../shared.js";
import { stagedFor } from "../../graph/host.js";
import type * as Ort from "onnxruntime-node";
import { GmcError } from "../../graph/errors.js";
import { sameShape } from "../../graph/shape.js";
import type { DType, Node, Shape } from "../../graph/types.js";
import type { EngineOptions, EngineSession, Executable, HostTensor, HostTensors, Program, Stage, UpdateSpec } from "../engine.js";
import { compileCall, type Call, type Inputs } from "./call.js";
import { Arena, ortTensor, type Region } from "./memory.js";
import type { OrtModule } from "./ort.js";
import type { ProviderName } from "./providers.js";
import { Store } from "./store.js";
import { updateKernel } from "./update.js";

export function openSession(ort: OrtModule, options: EngineOptions, provider?: ProviderName): EngineSession {
  const arena = new Arena(ort);
  const store = new Store(arena);
  const open = new Set<Executable>();
  const queued = inTurn();
  return {
    engine: provider === undefined ? "onnx" : `onnx:${provider}`,
    write: (name, value) => store.write(name, value),
    read: (name) => queued(() => Promise.resolve(store.current(name).read())),
    has: (name) => store.has(name),
    drop: (name) => store.drop(name),
    async compile(program) {
      const compiled = await new ProgramCompiler(ort, arena, store, { ...options, provider }, program).compile();
      const executable: Executable = {
        run: (feeds) => queued(() => compiled.run(feeds)),
        dispose() {
          if (open.delete(executable)) void queued(() => compiled.dispose());
        },
      };
      open.add(executable);
      return executable;
    },
    dispose() {
      for (const executable of open) executable.dispose();
      void queued(() => Promise.resolve(store.clear()));
    },
  };
}

interface Compiled {
  run(feeds: HostTensors): Promise<HostTensors>;
  dispose(): Promise<void>;
}

type StageRun = (inputs: RunInputs) => void | Promise<void>;

class ProgramCompiler {
  /** outputs of the stages so far */
  private readonly values = new Map<string, Region>();
  /** feeds that a kernel reads, copied into the arena at each run */
  private readonly feedRegions = new Map<string, Region>();
  private readonly disposals: (() => void | Promise<void>)[] = [];

  constructor(
    private readonly ort: OrtModule,
    private readonly arena: Arena,
    private readonly store: Store,
    private readonly options: EngineOptions & { readonly provider: ProviderName | undefined },
    private readonly program: Program,
  ) {}

  async compile(): Promise<Compiled> {
    const { program, values } = this;
    const dispose = async (): Promise<void> => {
      for (const disposal of this.disposals) await disposal();
      for (const region of this.feedRegions.values()) region.free();
      values.clear();
    };
    const stages: StageRun[] = [];
    try {
      for (const [i, stage] of program.stages.entries()) stages.push(await this.stage(stage, i));
    } catch (error) {
      await dispose();
      throw error;
    }
    const run = async (feeds: HostTensors): Promise<HostTensors> => {
      const inputs = new RunInputs(this.ort, this.arena, this.feedRegions, feeds);
      for (const stage of stages) {
        const pending = stage(inputs);
        if (pending !== undefined) await pending;
      }
      return Object.fromEntries(program.fetch.map((name) => [name, this.fetched(name, feeds)]));
    };
    return { run, dispose };
  }

  private fetched(name: string, feeds: HostTensors): HostTensor {
    const value = this.values.get(name)?.read() ?? feeds[name] ?? (this.store.has(name) ? this.store.current(name).read() : undefined);
    if (value === undefined) throw new GmcError("GM4906", `program ${this.program.name}: no stage gave ${name}`);
    return value;
  }

  private stage(stage: Stage, index: number): Promise<StageRun> {
    switch (stage.kind) {
      case "call":
        return this.callStage(stage, index);
      case "repeat":
        return this.repeatStage(stage, index);
      case "update":
        return Promise.resolve(this.updateStage(stage.update));
    }
  }

  private async call(
    stage: Exclude<Stage, { kind: "update" }>,
    index: number,
  ): Promise<{ call: Call; inputs: (run: RunInputs) => Inputs }> {
    const wanted = Object.keys(stage.graph.outputs).filter((name) => readAfter(this.program, name, index));
    const graphs = this.program.stages.filter((other) => other.kind !== "update").length;
    const call = await compileCall(`${this.program.name}.${stage.name}`, stage.graph, wanted, {
      ort: this.ort,
      arena: this.arena,
      store: this.store,
      session: { threads: this.options.threads, alone: graphs === 1, provider: this.options.provider },
    });
    this.disposals.push(() => call.dispose());
    // what earlier stages gave, as it is known now; later stages may give the same names
    const before = new Map(this.values);
    for (const [name, region] of call.outputs) this.values.set(name, region);
    return { call, inputs: (run) => run.after(before) };
  }

  private async callStage(stage: Extract<Stage, { kind: "call" }>, index: number): Promise<StageRun> {
    const { call, inputs } = await this.call(stage, index);
    return (run) => call.run(inputs(run));
  }

  private async repeatStage(stage: Extract<Stage, { kind: "repeat" }>, index: number): Promise<StageRun> {
    const [countOf, firstOf] = [this.scalar(stage.count), this.scalar(stage.first ?? 0)];
    const { call, inputs } = await this.call(stage, index);
    const iteration = this.arena.region("i32", []);
    this.disposals.push(() => iteration.free());
    return async (run) => {
      const [count, first] = [countOf(run), firstOf(run)];
      const own = inputs(run);
      const iterated: Inputs = {
        tensor: (name, node) => (name === "iteration" ? iteration.tensor() : own.tensor(name, node)),
        region: (name, node) => (name === "iteration" ? iteration : own.region(name, node)),
      };
      for (let i = 0; i < count; i++) {
        iteration.data()[0] = first + i;
        await call.run(iterated);
      }
    };
  }

  /** A number of the program, or the name of a scalar that a stage gives or the run is fed. */
  private scalar(source: number | string): (run: RunInputs) => number {
    if (typeof source === "number") return () => source;
    const region = this.values.get(source);
    return (run) => (region?.data() ?? run.feed(source).data)[0]!;
  }

  private updateStage(spec: UpdateSpec): StageRun {
    const gradients = new Map(spec.targets.map((target) => [target.gradient, this.values.get(target.gradient)]));
    let current: RunInputs | undefined;
    const kernel = updateKernel(this.arena, spec, {
      state: (name) => this.store.current(name),
      gradient: (target) => {
        const weight = this.store.current(target.weight);
        return gradients.get(target.gradient) ?? current!.regionOf(target.gradient, weight.dtype, weight.shape);
      },
    });
    this.disposals.push(() => kernel.dispose());
    const rate = this.scalar(spec.learningRate);
    return (run) => {
      current = run;
      kernel.run(rate(run));
    };
  }
}

/** The feeds of one run. */
class RunInputs {
  private readonly copied = new Set<string>();

  constructor(
    private readonly ort: OrtModule,
    private readonly arena: Arena,
    private readonly regions: Map<string, Region>,
    private readonly feeds: HostTensors,
  ) {}

  /** The view of a stage before which `values` were given. */
  after(values: ReadonlyMap<string, Region>): Inputs {
    return {
      tensor: (name, node) => values.get(name)?.tensor() ?? this.tensor(name, node),
      region: (name, node) => values.get(name) ?? this.regionOf(name, node.dtype, node.shape),
    };
  }

  feed(name: string): HostTensor {
    const value = Object.hasOwn(this.feeds, name) ? this.feeds[name] : undefined;
    if (value === undefined) throw new GmcError("GM4906", `the input ${name} has no value`);
    return value;
  }

  /** The feed in the arena, copied at its first use in a run. */
  regionOf(name: string, dtype: DType, shape: Shape): Region {
    const value = this.checked(name, dtype, shape);
    let region = this.regions.get(name);
    if (region === undefined || region.dtype !== dtype || !sameShape(region.shape, shape)) {
      region?.free();
      region = this.arena.region(dtype, shape);
      this.regions.set(name, region);
      this.copied.delete(name);
    }
    if (!this.copied.has(name)) region.data().set(value.data);
    this.copied.add(name);
    return region;
  }

  private tensor(name: string, { dtype, shape }: Node): Ort.Tensor {
    return ortTensor(this.ort, this.checked(name, dtype, shape));
  }

  private checked(name: string, dtype: DType, shape: Shape): HostTensor {
    return stagedFor(`input ${name}`, this.feed(name), { dtype, shape });
  }
}
