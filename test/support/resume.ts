/** Runs of training that are stopped at a step, saved as a checkpoint would, and taken up in a new session. */
import type { Dataset } from "../../src/runtime/data/dataset.js";
import { trainOn, type Cursor, type Engine, type HostTensor, type ModelDefinition } from "../../src/runtime/index.js";

export interface ResumeRun {
  readonly engine: Engine;
  readonly model: ModelDefinition;
  readonly dataset: Dataset;
  readonly options: { readonly seed: number; readonly steps: number; readonly batch?: number };
}

/** Every state that a checkpoint of the whole run holds, as it is in the end; with `resumeAt`, of the run that was stopped there and taken up. */
export async function statesAfter(
  { engine, model, dataset, options }: ResumeRun,
  resumeAt?: number,
): Promise<ReadonlyMap<string, HostTensor["data"]>> {
  let cursor: Cursor | undefined;
  let session = await engine.open();
  if (resumeAt !== undefined) {
    const saved = new Map<string, HostTensor>();
    const stop = new AbortController();
    await trainOn(session, model, dataset, {
      ...options,
      signal: stop.signal,
      onStep: (report) => {
        if (report().step === resumeAt) stop.abort();
      },
      onCheckpoint: async (_reason, at, states) => {
        cursor = JSON.parse(JSON.stringify(at)) as Cursor;
        saved.clear();
        for (const name of states) saved.set(name, await session.read(name));
      },
    });
    session.dispose();
    if (cursor?.step !== resumeAt) throw new Error(`the run was saved at step ${cursor?.step}, not at ${resumeAt}`);
    session = await engine.open();
    for (const [name, value] of saved) await session.write(name, value);
  }
  let states: readonly string[] = [];
  await trainOn(session, model, dataset, {
    ...options,
    resume: cursor,
    onCheckpoint: (_reason, _at, all) => {
      states = all;
    },
  });
  const found = await Promise.all(states.map(async (name) => [name, (await session.read(name)).data] as const));
  session.dispose();
  return new Map(found);
}
