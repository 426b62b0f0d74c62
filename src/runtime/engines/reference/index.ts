/**
 * The reference engine: an interpreter in float64, the definition of right for every other engine. Runs anywhere, fast nowhere.
 * It computes in float64; state is rounded to f32 when it is written, as what `read` and `fetch` give back is, so that a saved state is the whole
 * state and a resumed run is bitwise the one that never stopped.
 */
import { GmcError } from "../../graph/errors.js";
import { updateGraph } from "../../graph/updates.js";
import type { Graph } from "../../graph/types.js";
import type { Engine, EngineSession, Executable, HostTensors, Program, Stage } from "../engine.js";
import { interpret } from "../../graph/semantics/interpret.js";
import { fromHost, toHost, valueOf, type Value } from "../../graph/semantics/value.js";

export const referenceEngine: Engine = {
  name: "reference",
  probe: () =>
    Promise.resolve({ name: "reference", available: true, detail: "float64 interpreter, one thread; for tests and tiny models" }),
  open: () => Promise.resolve(openSession()),
};

type Store = Map<string, Value>;

function openSession(): EngineSession {
  const store: Store = new Map();
  return {
    engine: "reference",
    write: (name, value) => {
      store.set(name, fromHost(value));
    },
    read: (name) => {
      const value = store.get(name);
      return value === undefined
        ? Promise.reject(new GmcError("GM4906", `there is no state entry ${name}`))
        : Promise.resolve(toHost(value));
    },
    has: (name) => store.has(name),
    drop: (name) => void store.delete(name),
    compile: (program) => Promise.resolve(executable(program, store)),
    dispose: () => store.clear(),
  };
}

function executable(program: Program, store: Store): Executable {
  return {
    run(feeds) {
      try {
        return Promise.resolve(runProgram(program, store, feeds));
      } catch (error) {
        return Promise.reject(error instanceof Error ? error : new Error(String(error)));
      }
    },
    dispose: () => undefined,
  };
}

function runProgram(program: Program, store: Store, feeds: HostTensors): HostTensors {
  /** feeds, and the outputs of the stages so far */
  const values = new Map(Object.entries(feeds).map(([name, host]) => [name, fromHost(host)]));
  for (const stage of program.stages) runStage(stage, store, values);
  return Object.fromEntries(
    program.fetch.map((name) => {
      const value = values.get(name) ?? store.get(name);
      if (value === undefined) throw new GmcError("GM4906", `program ${program.name}: no stage gave ${name}`);
      return [name, toHost(value)];
    }),
  );
}

function runStage(stage: Stage, store: Store, values: Map<string, Value>): void {
  switch (stage.kind) {
    case "call":
      return runGraph(stage.graph, store, values);
    case "repeat": {
      const [count, first] = [scalar(stage.count, values), scalar(stage.first ?? 0, values)];
      for (let i = 0; i < count; i++) {
        values.set("iteration", valueOf([], "i32", [first + i]));
        runGraph(stage.graph, store, values);
      }
      values.delete("iteration");
      return;
    }
    case "update": {
      const shapes = Object.fromEntries(
        stage.update.targets.map(({ weight }) => {
          const value = store.get(weight);
          if (value === undefined) throw new GmcError("GM4906", `there is no state entry ${weight}`);
          return [weight, value.shape];
        }),
      );
      return runGraph(updateGraph(stage.update, shapes), store, values);
    }
  }
}

function scalar(source: number | string, values: ReadonlyMap<string, Value>): number {
  const value = typeof source === "number" ? source : values.get(source)?.data[0];
  if (value === undefined) throw new GmcError("GM4906", `the input ${String(source)} has no value`);
  return value;
}

/** Runs a graph; its outputs become values of the run, then its writes are applied. */
function runGraph(graph: Graph, store: Store, values: Map<string, Value>): void {
  const { outputs, writes } = interpret(graph, (prim, name) => (prim === "state" ? store.get(name) : values.get(name)));
  for (const [name, value] of Object.entries(outputs)) values.set(name, value);
  for (const [name, value] of Object.entries(writes)) store.set(name, asState(value));
}

function asState(value: Value): Value {
  return value.data instanceof Float64Array ? { ...value, data: value.data.map(Math.fround) } : value;
}
