/** Long `repeat` stages, run in pieces: so that progress can be told and a signal be heard. The pieces change no number, since an iteration knows its number. */
import type { Executable, HostTensor, HostTensors } from "../engines/engine.js";
import { pause } from "../engines/pause.js";

/** Names of the feeds that a `repeat` stage takes as its `count` and `first`. */
export const COUNT = "run:count";
export const FIRST = "run:first";

/** Milliseconds of a piece: often enough for a line of progress, seldom enough to cost nothing. */
const PIECE = 200;

export interface PieceOptions {
  readonly from?: number;
  readonly to: number;
  /** Iterations of every piece, where the program's other stages follow so many: as many as fit the time unless told. */
  readonly piece?: number | undefined;
  readonly onDone?: ((iterations: number) => void) | undefined;
  /** Looks at what a piece left, and throws where that means nothing. */
  readonly verify?: (() => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds of `performance.now()` from which on no further piece begins; one runs in any case. */
  readonly deadline?: number | undefined;
}

/** Iterations `from` (0 unless told) to `to` of a program whose stage repeats `COUNT` times from `FIRST` on. Throws where the signal says so. Gives where it stopped: at `to`, or before by the deadline. */
export async function runPieces(executable: Executable, feeds: HostTensors, options: PieceOptions): Promise<number> {
  let piece = options.piece ?? 1;
  let shown = performance.now();
  let done = options.from ?? 0;
  for (let now = 0; done < options.to && now < (options.deadline ?? Infinity);) {
    options.signal?.throwIfAborted();
    const count = Math.min(piece, options.to - done);
    const began = performance.now();
    await executable.run({ ...feeds, [COUNT]: whole(count), [FIRST]: whole(done) });
    done += count;
    await options.verify?.();
    now = performance.now();
    if (options.piece === undefined && now - began < PIECE / 2) piece *= 2;
    if (options.piece !== undefined && now - shown < PIECE && done < options.to) continue;
    shown = now;
    options.onDone?.(done);
    await pause();
  }
  return done;
}

function whole(n: number): HostTensor {
  return { dtype: "i32", shape: [], data: Int32Array.of(n) };
}
