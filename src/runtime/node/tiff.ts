/** Grey TIFF pictures of 8 bits, uncompressed or PackBits: what the natural images need. Anything else is refused with a way out. */
import { checkedCount } from "../data/array.js";
import { ByteCursor, corrupt, showBytes, unsupported, type ByteSource } from "../data/bytes.js";

export interface GreyPicture {
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array;
}

const tags = { width: 256, height: 257, bits: 258, compression: 259, offsets: 273, samples: 277, counts: 279 } as const;

export function parseTiff(source: ByteSource): GreyPicture {
  const { path } = source;
  const cursor = new ByteCursor(source);
  const order = cursor.take(2, "the TIFF byte order");
  const littleEndian = order[0] === 0x49;
  if (order[0] !== order[1] || (!littleEndian && order[0] !== 0x4d))
    throw corrupt(path, 0, "the TIFF byte order (49 49 or 4d 4d)", showBytes(order));
  if (cursor.u16("the TIFF magic number", littleEndian) !== 42) throw corrupt(path, 2, "the TIFF magic number 42", "another number");
  cursor.offset = Math.min(cursor.u32("the place of the directory", littleEndian), source.bytes.length);
  const entries = cursor.u16("the number of fields", littleEndian);
  const fields = new Map<number, readonly number[]>();
  for (let i = 0; i < entries; i++) {
    const tag = cursor.u16("a field", littleEndian);
    const type = cursor.u16("a field", littleEndian);
    const count = cursor.u32("a field", littleEndian);
    const inline = new ByteCursor({ path, bytes: source.bytes }, cursor.offset);
    cursor.take(4, "a field");
    if (!Object.values(tags).some((known) => known === tag)) continue;
    const size = type === 3 ? 2 : type === 4 ? 4 : 0;
    if (size === 0) throw corrupt(path, cursor.offset - 10, "a field of type 3 or 4", String(type));
    if (count * size > source.bytes.length) throw corrupt(path, cursor.offset - 8, "a field that fits the file", `${count} values`);
    if (count * size > 4) inline.offset = Math.min(inline.u32("a field's place", littleEndian), source.bytes.length);
    const values: number[] = [];
    for (let j = 0; j < count; j++)
      values.push(size === 2 ? inline.u16("a field's value", littleEndian) : inline.u32("a field's value", littleEndian));
    fields.set(tag, values);
  }
  const one = (tag: number, otherwise?: number): number => {
    const value = fields.get(tag)?.[0] ?? otherwise;
    if (value === undefined) throw corrupt(path, 4, `field ${tag}`, "none");
    return value;
  };
  const width = one(tags.width);
  const height = one(tags.height);
  const compression = one(tags.compression, 1);
  if (one(tags.bits, 1) !== 8 || one(tags.samples, 1) !== 1 || (compression !== 1 && compression !== 32773)) {
    throw unsupported(path, "only grey TIFF pictures of 8 bits, plain or PackBits, are read", ["convert it to PNG"]);
  }
  const data = new Uint8Array(checkedCount(path, [height, width]));
  const offsets = fields.get(tags.offsets) ?? [];
  const counts = fields.get(tags.counts) ?? [];
  let at = 0;
  offsets.forEach((offset, strip) => {
    const from = new ByteCursor(source, Math.min(offset, source.bytes.length));
    const packed = from.take(counts[strip] ?? 0, `strip ${strip + 1} of ${offsets.length}`);
    at = compression === 1 ? copyPlain(packed, data, at) : unpackBits(packed, data, at);
  });
  if (at !== data.length) throw corrupt(path, offsets[0] ?? 0, `${data.length} pixels`, String(at));
  return { height, width, data };
}

function copyPlain(packed: Uint8Array, data: Uint8Array, at: number): number {
  const fitting = packed.subarray(0, data.length - at);
  data.set(fitting, at);
  return at + fitting.length;
}

/** PackBits: a count byte n < 128 and n + 1 bytes, or n > 128 and one byte that is repeated 257 - n times. */
function unpackBits(packed: Uint8Array, data: Uint8Array, start: number): number {
  let at = start;
  for (let i = 0; i < packed.length && at < data.length;) {
    const n = packed[i++]!;
    if (n < 128) {
      at = copyPlain(packed.subarray(i, i + n + 1), data, at);
      i += n + 1;
    } else if (n > 128) {
      const stop = Math.min(data.length, at + 257 - n);
      data.fill(packed[i++] ?? 0, at, stop);
      at = stop;
    }
  }
  return at;
}
