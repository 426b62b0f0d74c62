/**
 * How updates come by their batches: as rows of tables where the engine holds the data, else as values. The same rows, and the same numbers, either way.
 */
import type { DataCursor, TrainStream } from "../data/streams.js";
import type { EngineSession, HeldTable, HostTensors, TableRows } from "../engines/engine.js";
import { dataName, defined } from "./context.js";

/** One batch. */
export interface Fed {
  /** By input of a program; one of the two has them. */
  readonly values: HostTensors;
  readonly rows: Readonly<Record<string, TableRows>>;
  /** Where the stream stood before it. */
  readonly before: DataCursor;
}

export class Feeder {
  private tables: Readonly<Record<string, HeldTable>> | undefined;

  /** `names`: the variables that are read; `starts`: whether all that reads them can take rows. */
  constructor(
    session: EngineSession,
    private readonly source: TrainStream,
    private readonly names: readonly string[],
    starts: boolean,
  ) {
    if (starts) this.tables = heldTables(session, source, names);
  }

  next(): Fed {
    const { source, names } = this;
    const before = source.cursor();
    const { tables } = this;
    if (tables !== undefined && names.every((name) => tables[name]!.held)) {
      const rows = source.nextRows();
      const of = (name: string): TableRows => ({ table: tables[name]!, rows: rows[source.columns[name]!.stream]! });
      return { values: {}, rows: Object.fromEntries(names.map((name) => [dataName(name), of(name)])), before };
    }
    this.tables = undefined;
    const { tensors } = source.next();
    const values = Object.fromEntries(names.map((name) => [dataName(name), defined(tensors[name], `batch of ${name}`)]));
    return { values, rows: {}, before };
  }

  /** The values of a batch that was given. The stream then stands after it. */
  again({ before }: Fed): HostTensors {
    this.source.seek(before);
    this.tables = undefined;
    return this.next().values;
  }
}

/** All of them or none: what is held spares a step its copies where nothing else is copied. */
function heldTables(session: EngineSession, { columns }: TrainStream, names: readonly string[]): Record<string, HeldTable> | undefined {
  const tables: Record<string, HeldTable> = {};
  for (const name of names) {
    const { column } = defined(columns[name], `column of ${name}`);
    if (column.sparse !== undefined) return undefined;
    const table = session.hold?.(column);
    if (table === undefined) return undefined;
    tables[name] = table;
  }
  return tables;
}
