/** `gmc filters`, `gmc topics`: what the units of a trained model respond to, read off its weights. */
import { GmcError } from "../../runtime/graph/errors.js";
import { writeFileAtomic } from "../../runtime/node/files.js";
import {
  drawFilters,
  filterRows,
  throughLayer,
  topEntries,
  topicRows,
  weightAt,
  type StoredWeights,
  type UnitRows,
} from "../../runtime/node/filters.js";
import type { TrainedSession } from "../../runtime/eval/session.js";
import type { ModelDefinition } from "../../runtime/model.js";
import { FINE } from "../exit.js";
import type { RunFlags } from "../options.js";
import { json, stdout } from "../output.js";
import { freeStems, placed } from "../run/pictures.js";
import { filterStem, topicsText } from "../run/units.js";
import { openTrained, type Restored } from "../run/trained.js";

export interface UnitFlags extends RunFlags {
  readonly weight?: readonly string[];
  readonly count: number;
}

export interface FilterFlags extends UnitFlags {
  readonly scale: "each" | "joint";
}

export function filtersCommand(named: string | undefined, flags: FilterFlags): Promise<number> {
  return withWeights(named, flags, async (trained, stored, restored) => {
    const chosen = choose(trained, stored, filterRows(trained.model, trained.dataset, stored), flags.weight, "images", []);
    if (flags.json) {
      json({ run: restored.run.path, step: restored.checkpoint.manifest.step, filters: chosen.map((c) => plain(c, flags.count)) });
      return;
    }
    const drawings = await Promise.all(
      chosen.map(async (filters) => ({ stem: filterStem(filters), ...(await drawFilters(filters, flags)) })),
    );
    for (const { path, drawing } of placed(freeStems(drawings, restored.run.path, flags.out), restored.run.path, flags.out)) {
      writeFileAtomic(path, drawing.content);
      stdout(path);
    }
  });
}

export function topicsCommand(named: string | undefined, flags: UnitFlags): Promise<number> {
  return withWeights(named, flags, (trained, stored, restored) => {
    const found = topicRows(trained.model, trained.dataset, stored);
    const chosen = choose(trained, stored, found, flags.weight, "entries with names, such as words of a vocabulary", [
      "names come with the data: `--data v=counts.npz:vocabulary=words.txt`, or a table with a header",
    ]);
    if (flags.json) {
      const topics = chosen.map((c) => ({ weights: c.paths, variable: c.variable, topics: topEntries(c, flags.count) }));
      json({ run: restored.run.path, step: restored.checkpoint.manifest.step, topics });
    } else {
      const text = chosen.map((c) => topicsText(c, flags.count, chosen.length > 1)).join("\n\n");
      if (flags.out === undefined) stdout(text);
      else writeFileAtomic(flags.out, `${text}\n`);
    }
    return Promise.resolve();
  });
}

async function withWeights(
  named: string | undefined,
  flags: RunFlags,
  show: (trained: TrainedSession, stored: StoredWeights, restored: Restored) => Promise<void>,
): Promise<number> {
  const { trained, restored } = await openTrained(named, flags);
  try {
    await show(trained, await trained.weights(), restored);
    return FINE;
  } finally {
    trained.close();
  }
}

/** All that were found, or the product of the weights named, the first of which is among them. */
function choose<T extends UnitRows>(
  { model }: TrainedSession,
  stored: StoredWeights,
  found: readonly T[],
  named: readonly string[] | undefined,
  over: string,
  /** What to do where there are none. */
  without: readonly string[],
): readonly T[] {
  const has = (): readonly string[] => (found.length === 0 ? without : [`these are: ${found.map((f) => f.paths.join()).join(", ")}`]);
  if (named === undefined) {
    if (found.length === 0) throw new GmcError("GM5311", `${model.name} has no weight over ${over}`, without);
    return found;
  }
  const [first = "", ...others] = named;
  for (const path of named) weightAt(model, path);
  const below = found.find((f) => f.paths[0] === first);
  if (below === undefined) {
    const deeper = found.find((f) => meets(f, model, stored, first));
    const through = deeper && [`of a deeper layer, name all weights up to it: --weight ${[...deeper.paths, ...named].join(" ")}`];
    throw new GmcError("GM5311", `\`${first}\` is no weight over ${over}`, [...has(), ...(through ?? [])]);
  }
  return [others.reduce((rows, path) => throughLayer(rows, model, stored, path), below)];
}

/** Whether the weight goes on from these units to units of the next layer. */
function meets(below: UnitRows, model: ModelDefinition, stored: StoredWeights, path: string): boolean {
  try {
    throughLayer(below, model, stored, path);
    return true;
  } catch (error) {
    if (error instanceof GmcError && error.code === "GM5311") return false;
    throw error;
  }
}

function plain(rows: UnitRows, count: number): object {
  const [units = 0, event = 0] = rows.rows.shape;
  const shown = Math.min(units, count);
  return {
    weights: rows.paths,
    variable: rows.variable,
    shape: [shown, event],
    data: Array.from({ length: shown * event }, (_, i) => rows.rows.data[i]),
  };
}
