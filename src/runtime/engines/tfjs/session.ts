/**
 * A session: a store of named values and the programs compiled against it, on one backend. A run goes through the stages in order; what a stage gives is
 * found by name by those after it, and let go at the end of the run. Runs of one session wait for each other.
 */
import { inTurn, readAfter } from "../shared.js";
import { stagedFor } from "../../graph/host.js";
import { GmcError } from "../../graph/errors.js";
import type { Graph, Node } from "../../graph/types.js";
import { updateGraph } from "../../graph/updates.js";
import type { EngineSession, Executable, HostTensor, HostTensors, Program, Stage, UpdateSpec } from "../engine.js";
import { compileCall, type Call } from "./call.js";
import { arrayOf, Cell } from "./cell.js";
import type { Device } from "./device.js";
import { Host } from "./host.js";

export function openSession(engine: string, device: Device): EngineSession {
  const host = new Host();
  const store = new Store(device);
  const queued = inTurn();
  const open = new Set<Executable>();
  return {
    engine,
    write: (name, value) => store.write(name, value),
    read: (name) => queued(() => readAll([store.entry(name)]).then(([value]) => value!)),
    has: (name) => store.has(name),
    drop: (name) => store.drop(name),
    compile: (program) => {
      const compiled = new CompiledProgram(device, host, store, program);
      const executable: Executable = {
        run: (feeds) =>
          queued(async () => {
            await device.enter();
            return compiled.run(feeds);
          }),
        dispose() {
          if (open.delete(executable)) void queued(() => Promise.resolve(compiled.dispose()));
        },
      };
      open.add(executable);
      return Promise.resolve(executable);
    },
    dispose() {
      for (const executable of open) executable.dispose();
      void queued(() => Promise.resolve(store.clear()));
    },
  };
}

/** Copies; held while they are read, in which time the store may take others. */
async function readAll(cells: readonly Cell[]): Promise<HostTensor[]> {
  for (const cell of cells) cell.retain();
  try {
    return await Promise.all(cells.map((cell) => cell.read()));
  } finally {
    for (const cell of cells) cell.release();
  }
}

/** The named state. An entry is a value; a write puts another in its place. */
class Store {
  private readonly entries = new Map<string, Cell>();

  constructor(private readonly device: Device) {}

  has(name: string): boolean {
    return this.entries.has(name);
  }

  entry(name: string): Cell {
    const cell = this.entries.get(name);
    if (cell === undefined) throw new GmcError("GM4906", `there is no state entry ${name}`);
    return cell;
  }

  write(name: string, value: HostTensor): void {
    this.put(name, hostCell(this.device, value));
  }

  /** Takes the cell over. */
  put(name: string, cell: Cell): void {
    const before = this.entries.get(name);
    this.entries.set(name, cell);
    before?.release();
  }

  drop(name: string): void {
    this.entries.get(name)?.release();
    this.entries.delete(name);
  }

  clear(): void {
    for (const name of [...this.entries.keys()]) this.drop(name);
  }
}

/** A copy: what is fed may be filled anew for the next run, while a state or an upload still holds it. */
function hostCell(device: Device, { dtype, shape, data }: HostTensor): Cell {
  return Cell.ofHost(device, dtype, shape, data.slice());
}

class CompiledProgram {
  private readonly calls = new Map<Stage, Call>();
  /** update stages, by the shapes that their weights had */
  private readonly updates = new Map<string, Call>();

  constructor(
    private readonly device: Device,
    private readonly host: Host,
    private readonly store: Store,
    private readonly program: Program,
  ) {
    for (const [i, stage] of program.stages.entries()) {
      if (stage.kind === "update") continue;
      const wanted = Object.keys(stage.graph.outputs).filter((name) => readAfter(this.program, name, i));
      this.calls.set(stage, compileCall(device, host, stage.graph, wanted));
    }
  }

  async run(feeds: HostTensors): Promise<HostTensors> {
    const values = new RunValues(this.device, feeds);
    try {
      for (const stage of this.program.stages) this.stage(stage, values);
      const { fetch } = this.program;
      const fetched = await readAll(fetch.map((name) => this.fetched(name, values)));
      return Object.fromEntries(fetch.map((name, i) => [name, fetched[i]!]));
    } catch (error) {
      throw stopped(this.program.name, error);
    } finally {
      values.clear();
    }
  }

  private fetched(name: string, values: RunValues): Cell {
    const cell = values.find(name) ?? (this.store.has(name) ? this.store.entry(name) : undefined);
    if (cell === undefined) throw new GmcError("GM4906", `program ${this.program.name}: no stage gave ${name}`);
    return cell;
  }

  dispose(): void {
    for (const call of [...this.calls.values(), ...this.updates.values()]) call.dispose();
  }

  private stage(stage: Stage, values: RunValues): void {
    switch (stage.kind) {
      case "call":
        return this.call(this.calls.get(stage)!, values);
      case "repeat": {
        const [count, first] = [values.number(stage.count), values.number(stage.first ?? 0)];
        for (let i = 0; i < count; i++) {
          values.put("iteration", Cell.ofHost(this.device, "i32", [], arrayOf("i32", [first + i])));
          this.call(this.calls.get(stage)!, values);
        }
        return values.drop("iteration");
      }
      case "update":
        return this.call(this.update(stage.name, stage.update), values);
    }
  }

  /** The graph of graph/updates.ts over the weights as they are. */
  private update(name: string, spec: UpdateSpec): Call {
    const shapes = Object.fromEntries(spec.targets.map(({ weight }) => [weight, this.store.entry(weight).shape]));
    const key = JSON.stringify([name, shapes]);
    const before = this.updates.get(key);
    if (before !== undefined) return before;
    const graph: Graph = updateGraph(spec, shapes);
    const call = compileCall(this.device, this.host, graph, []);
    this.updates.set(key, call);
    return call;
  }

  private call(call: Call, values: RunValues): void {
    const { outputs, writes } = call.run((node) => (node.prim === "state" ? this.state(node) : values.input(node)));
    for (const [name, cell] of outputs) values.put(name, cell);
    for (const [name, cell] of writes) this.store.put(name, cell);
  }

  private state(node: Node): Cell {
    const { name } = node.params as { readonly name: string };
    return stagedFor(`state entry ${name}`, this.store.entry(name), node);
  }
}

/** The feeds of one run, and the outputs of its stages so far. */
class RunValues {
  private readonly cells = new Map<string, Cell>();

  constructor(
    private readonly device: Device,
    private readonly feeds: HostTensors,
  ) {}

  find(name: string): Cell | undefined {
    const before = this.cells.get(name);
    if (before !== undefined || !Object.hasOwn(this.feeds, name)) return before;
    const cell = hostCell(this.device, this.feeds[name]!);
    this.cells.set(name, cell);
    return cell;
  }

  input(node: Node): Cell {
    const { name } = node.params as { readonly name: string };
    return stagedFor(`input ${name}`, this.known(name), node);
  }

  number(source: number | string): number {
    return typeof source === "number" ? source : this.known(source).numbers()[0]!;
  }

  /** Takes the cell over. */
  put(name: string, cell: Cell): void {
    this.cells.get(name)?.release();
    this.cells.set(name, cell);
  }

  drop(name: string): void {
    this.cells.get(name)?.release();
    this.cells.delete(name);
  }

  clear(): void {
    for (const name of [...this.cells.keys()]) this.drop(name);
  }

  private known(name: string): Cell {
    const cell = this.find(name);
    if (cell === undefined) throw new GmcError("GM4906", `the input ${name} has no value`);
    return cell;
  }
}

/** What a kernel says, as an error of ours. */
function stopped(program: string, error: unknown): unknown {
  if (error instanceof GmcError || !(error instanceof Error) || error.name === "InternalError") return error;
  return new GmcError("GM5452", `TensorFlow.js stopped in ${program}: ${error.message.split("\n")[0]!}`, [
    "Where memory ran out, make the batch or the model smaller.",
  ]);
}
