/**
 * Data that batches are taken from, on the device: bytes as bytes, four to a word, all else as words. A batch is the numbers of its rows; one dispatch
 * puts them where a program looks for the values, to the bits that the host would have fed.
 */
import type { HeldTable, Table, TableRows, TypedArray } from "../engine.js";
import { checkIndices, type IndexedAxis } from "./indices.js";
import { gridOf } from "./gemm/text.js";
import { type Device, type Pipeline } from "./device.js";
import type { Memory, Region } from "./store.js";

/** Of a device of which nobody said how much memory it has. */
const UNKNOWN_ROOM = 2 ** 30;
/** Bytes that are written at once. */
const PIECE = 2 ** 24;
const THREADS = 256;

class DeviceTable implements HeldTable {
  region: Region | undefined;
  private readonly sound = new Set<string>();

  constructor(
    readonly table: Table,
    region: Region,
  ) {
    this.region = region;
  }

  get held(): boolean {
    return this.region !== undefined;
  }

  /** GM4907 where any row holds an index that lies outside; looked at once. */
  check(axis: IndexedAxis): void {
    const key = `${axis.prim} ${axis.size}`;
    if (this.sound.has(key)) return;
    checkIndices(axis, { dtype: this.table.dtype, shape: [this.table.source.length], data: this.table.source });
    this.sound.add(key);
  }
}

export class Tables {
  private readonly all = new Map<Table["source"], DeviceTable>();

  constructor(
    private readonly device: Device,
    private readonly memory: Memory,
  ) {}

  get bytes(): number {
    return [...this.all.values()].reduce((sum, { region }) => sum + region!.bytes, 0);
  }

  /** Nothing where it does not fit: at most half of what is left, as evaluation takes memory too. */
  hold(table: Table): DeviceTable | undefined {
    const { source } = table;
    const known = this.all.get(source);
    if (known !== undefined) return known;
    const bytes = Math.max(4, Math.ceil(source.byteLength / 4) * 4);
    const { device, budget } = this.memory;
    const room = budget === undefined ? UNKNOWN_ROOM - this.bytes : (budget.bytes - device.held) / 2;
    if (bytes > room || bytes > device.maxBytes || source.length >= 2 ** 32) return undefined;
    const region = this.memory.region(bytes);
    const raw = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    for (let at = 0; at < bytes; at += PIECE) {
      const piece = raw.slice(at, at + PIECE);
      const words = new Uint32Array(Math.ceil(piece.length / 4));
      new Uint8Array(words.buffer).set(piece);
      this.memory.upload({ ...region, offset: region.offset + at }, words);
    }
    const held = new DeviceTable(table, region);
    this.all.set(source, held);
    return held;
  }

  /** Gives their memory back; programs are then fed with values. */
  drop(): void {
    for (const table of this.all.values()) {
      this.memory.free(table.region!);
      table.region = undefined;
    }
    this.all.clear();
  }

  /** How a program's feed is filled from a table. */
  async filler(table: DeviceTable, batch: number, target: Region): Promise<Filler> {
    const pipeline = await this.device.pipeline(fillText(table.table, batch), ["read", "read", "read_write"], false);
    return new Filler(this.device, this.memory, table, batch, target, pipeline);
  }
}

export class Filler {
  private readonly rows: Region;
  private group: GPUBindGroup | undefined;

  constructor(
    private readonly device: Device,
    private readonly memory: Memory,
    readonly table: DeviceTable,
    private readonly batch: number,
    private readonly target: Region,
    private readonly pipeline: Pipeline,
  ) {
    this.rows = memory.region(4 * batch);
  }

  /** Records the rows and the dispatch. */
  run(rows: Uint32Array): void {
    const { memory, table, target, pipeline } = this;
    memory.upload(this.rows, rows);
    this.group ??= this.device.gpu.createBindGroup({
      layout: pipeline.layout,
      entries: [this.rows, table.region!, target].map(({ buffer, offset, bytes: size }, binding) => ({
        binding,
        resource: { buffer, offset, size },
      })),
    });
    const pass = memory.commands.computePass();
    pass.setPipeline(pipeline.pipeline);
    pass.setBindGroup(0, this.group);
    pass.dispatchWorkgroups(...gridOf(groupsOf(table.table, this.batch), this.device.limits.gemm.workgroupsPerDimension));
  }

  dispose(): void {
    this.memory.free(this.rows);
  }
}

const groupsOf = ({ width }: Table, batch: number): number => Math.ceil((width * batch) / THREADS);

function fillText({ source, width, scale }: Table, batch: number): string {
  const bytes = source instanceof Uint8Array;
  const factor = new Uint32Array(Float32Array.of(scale).buffer)[0]!;
  const value = bytes
    ? `bitcast<u32>(f32((entries[place >> 2u] >> (8u * (place & 3u))) & 255u) * bitcast<f32>(${factor}u))`
    : "entries[place]";
  return `@group(0) @binding(0) var<storage, read> rows: array<u32>;
@group(0) @binding(1) var<storage, read> entries: array<u32>;
@group(0) @binding(2) var<storage, read_write> batch: array<u32>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (id.y * grid.x + id.x) * ${THREADS}u + thread;
  if (at >= ${width * batch}u) { return; }
  let place = rows[at / ${width}u] * ${width}u + at % ${width}u;
  batch[at] = ${value};
}
`;
}

/** The values of rows, on the host: for feeds that go with the scalars. */
export function valuesOf({ table, rows }: TableRows): TypedArray {
  const { source, width, scale, dtype } = (table as DeviceTable).table;
  const size = rows.length * width;
  const out = dtype === "i32" ? new Int32Array(size) : new Float32Array(size);
  const factor = source instanceof Uint8Array ? Math.fround(scale) : 1;
  for (let i = 0; i < size; i++) out[i] = source[rows[Math.floor(i / width)]! * width + (i % width)]! * factor;
  return out;
}

export const asDeviceTable = (table: HeldTable): DeviceTable => table as DeviceTable;
export type { DeviceTable };
