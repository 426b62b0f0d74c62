/**
 * A session that runs programs with values that are found entry after entry on an engine that knows none: their passes are `repeat` stages, run in
 * pieces, between which one sees whether all are found, progress is told and a signal heard. Programs without them go through as they are.
 */
import { hostZeros } from "../graph/host.js";
import { cutProgram, stagesOf, type Cut, type Part } from "./cut.js";
import type { EngineSession, Executable, HostTensor, HostTensors, Program, RunWatch, Stage } from "./engine.js";
import { pause } from "./pause.js";
import { inTurn, readAfter } from "./shared.js";

const COUNT = "passes:count";
const FIRST = "passes:first";

/** Milliseconds of a piece: short enough that little is done after all is found, long enough that looking costs nothing. */
const PIECE = 50;
/** Milliseconds between two reports. */
const REPORT = 200;

export function withFixedPoints(session: EngineSession): EngineSession {
  const queued = inTurn();
  let compiled = 0;
  return {
    ...session,
    read: (name) => queued(() => session.read(name)),
    async compile(program) {
      const cut = cutProgram(program, `fixed:${++compiled}.`);
      if (cut === undefined) {
        const whole = await session.compile(program);
        return {
          run: (feeds) => queued(() => whole.run(feeds)),
          ...(whole.start && { start: (feeds, rows) => queued(() => whole.start!(feeds, rows)) }),
          dispose: () => whole.dispose(),
        };
      }
      return compileCut(session, program, cut, queued);
    },
    ...(session.memoryShortage && {
      memoryShortage: (programs, states) => {
        const cuts = programs.map((program, i) => ({ program, cut: cutProgram(program, `fixed:${i}.`) }));
        const all = cuts.flatMap(({ program, cut }) => (cut === undefined ? [program] : programsOf(program, cut)));
        return session.memoryShortage!(all, new Map([...states, ...cuts.flatMap(({ cut }) => [...(cut?.states ?? [])])]));
      },
    }),
  };
}

/** The programs that parts are run by. */
function programsOf(program: Program, cut: Cut): readonly Program[] {
  const of = (parts: readonly Part[], later: readonly Stage[]): Program[] =>
    parts.flatMap((part, i) => {
      const after = [...parts.slice(i + 1).flatMap(stagesOf), ...later];
      return part.kind === "times" ? of(part.parts, after) : [programOf(program, part, after)];
    });
  return of(cut.parts, []);
}

function programOf(program: Program, part: Exclude<Part, { kind: "times" }>, later: readonly Stage[]): Program {
  if (part.kind === "passes") {
    const { name, graph } = part;
    return { name: `${program.name}.${name}`, stages: [{ kind: "repeat", name, graph, count: COUNT, first: FIRST }], fetch: [] };
  }
  const { stages } = part;
  const given = stages.flatMap((s) => (s.kind === "update" ? [] : Object.keys(s.graph.outputs)));
  const rest = { ...program, stages: later };
  return { name: program.name, stages, fetch: [...new Set(given)].filter((name) => readAfter(rest, name, -1)) };
}

async function compileCut(
  session: EngineSession,
  program: Program,
  cut: Cut,
  queued: <T>(job: () => Promise<T>) => Promise<T>,
): Promise<Executable> {
  const executables = new Map<Part, Executable>();
  const dispose = (): void => {
    for (const executable of executables.values()) executable.dispose();
    for (const name of cut.states.keys()) session.drop(name);
  };
  try {
    for (const [name, { dtype, shape }] of cut.states) await session.write(name, hostZeros(dtype, shape));
    const leaves = leavesOf(cut.parts);
    for (const [i, own] of programsOf(program, cut).entries()) executables.set(leaves[i]!, await session.compile(own));
  } catch (error) {
    dispose();
    throw error;
  }
  const runner = new CutRunner(session, program, cut, executables);
  return {
    run: (feeds, watch = {}) => queued(() => runner.run(feeds, watch)),
    dispose: () => void queued(() => Promise.resolve(dispose())),
  };
}

/** In the order of `programsOf`. */
function leavesOf(parts: readonly Part[]): readonly Part[] {
  return parts.flatMap((part) => (part.kind === "times" ? leavesOf(part.parts) : [part]));
}

class CutRunner {
  /** Passes of a piece, by part, as the runs before have found them to fit. */
  private readonly pieces = new Map<Part, number>();

  constructor(
    private readonly session: EngineSession,
    private readonly program: Program,
    private readonly cut: Cut,
    private readonly executables: ReadonlyMap<Part, Executable>,
  ) {}

  async run(feeds: HostTensors, watch: RunWatch): Promise<HostTensors> {
    const values = new Map(Object.entries(feeds));
    const progress = new Progress(watch, this.passesOf(this.cut.parts, values));
    await this.parts(this.cut.parts, values, progress);
    const fetched = this.program.fetch.map(async (name) => [name, values.get(name) ?? (await this.session.read(name))] as const);
    return Object.fromEntries(await Promise.all(fetched));
  }

  private async parts(parts: readonly Part[], values: Map<string, HostTensor>, progress: Progress): Promise<void> {
    for (const part of parts) {
      switch (part.kind) {
        case "stages": {
          const given = await this.executables.get(part)!.run(Object.fromEntries(values));
          for (const [name, value] of Object.entries(given)) values.set(name, value);
          break;
        }
        case "passes":
          await this.passes(part, values, progress);
          break;
        case "times": {
          const [count, first] = [numberOf(part.count, values), numberOf(part.first, values)];
          for (let i = 0; i < count; i++) {
            values.set("iteration", whole(first + i));
            await this.parts(part.parts, values, progress);
            if (part.changed === undefined || (await this.moves(part.changed))) continue;
            await progress.done((count - i - 1) * this.passesOf(part.parts, values));
            break;
          }
          values.delete("iteration");
        }
      }
    }
  }

  private async passes(
    part: Extract<Part, { kind: "passes" }>,
    values: ReadonlyMap<string, HostTensor>,
    progress: Progress,
  ): Promise<void> {
    const feeds = Object.fromEntries(values);
    for (let from = 0; from < part.count;) {
      const piece = this.pieces.get(part) ?? 1;
      const count = Math.min(piece, part.count - from);
      const began = performance.now();
      await this.executables.get(part)!.run({ ...feeds, [COUNT]: whole(count), [FIRST]: whole(from) });
      const moves = await this.moves(part.changed);
      const took = performance.now() - began;
      if (count === piece) this.pieces.set(part, took < PIECE / 2 ? 2 * piece : took > 2 * PIECE ? Math.ceil(piece / 2) : piece);
      await progress.done(moves ? count : part.count - from);
      if (!moves) return;
      from += count;
    }
  }

  private async moves(changed: string): Promise<boolean> {
    return (await this.session.read(changed)).data[0] !== 0;
  }

  private passesOf(parts: readonly Part[], values: ReadonlyMap<string, HostTensor>): number {
    return parts.reduce((sum, part) => {
      if (part.kind === "stages") return sum;
      return sum + (part.kind === "passes" ? part.count : numberOf(part.count, values) * this.passesOf(part.parts, values));
    }, 0);
  }
}

/** Tells of passes, now and then. */
class Progress {
  private passes = 0;
  private told = performance.now();

  constructor(
    private readonly watch: RunWatch,
    private readonly total: number,
  ) {}

  async done(passes: number): Promise<void> {
    this.passes += passes;
    this.watch.signal?.throwIfAborted();
    const now = performance.now();
    if (now - this.told < REPORT && this.passes < this.total) return;
    this.told = now;
    this.watch.onProgress?.(this.passes, this.total);
    await pause();
  }
}

function numberOf(value: number | string, values: ReadonlyMap<string, HostTensor>): number {
  return typeof value === "number" ? value : (values.get(value)?.data[0] ?? 0);
}

function whole(n: number): HostTensor {
  return { dtype: "i32", shape: [], data: Int32Array.of(n) };
}
