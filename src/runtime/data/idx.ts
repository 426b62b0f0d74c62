/**
 * IDX files, the format of MNIST: 00 00, type, number of axes, then big-endian u32 sizes, then the values in C order.
 * Takes bytes that are already unpacked; gives an array or a GmcError with path and byte offset.
 */
import { checkedCount, showShape, type DataArray } from "./array.js";
import { ByteCursor, corrupt, showBytes, truncated, type ByteSource } from "./bytes.js";
import { decodeElements, fileTypeBytes, type FileType } from "./elements.js";

const types = new Map<number, FileType>([
  [0x08, "u8"],
  [0x09, "i8"],
  [0x0b, "i16"],
  [0x0c, "i32"],
  [0x0d, "f32"],
  [0x0e, "f64"],
]);

/** More axes than any real file has; a larger number means that the header is no header. */
const maxAxes = 8;

export function parseIdx(source: ByteSource): DataArray {
  const cursor = new ByteCursor(source);
  const magic = cursor.take(4, "the IDX magic number");
  const type = types.get(magic[2]!);
  if (magic[0] !== 0 || magic[1] !== 0 || type === undefined) {
    const gzip = magic[0] === 0x1f && magic[1] === 0x8b;
    throw corrupt(source.path, 0, "an IDX magic number (00 00, a type 08 to 0e, the number of axes)", showBytes(magic), [
      gzip ? "the file is gzip'd: give its name the ending .gz" : "an .npy, .csv or .png file is read by its ending",
    ]);
  }
  const axes = magic[3]!;
  if (axes === 0 || axes > maxAxes) throw corrupt(source.path, 3, `1 to ${maxAxes} axes`, String(axes));
  const shape: number[] = [];
  for (let axis = 0; axis < axes; axis++) shape.push(cursor.u32(`the size of axis ${axis + 1} of ${axes}`, false));
  const count = checkedCount(source.path, shape);
  const size = count * fileTypeBytes[type];
  if (cursor.left < size) {
    throw truncated(
      source.path,
      source.bytes.length,
      `${size} bytes of ${type} values for shape ${showShape(shape)}`,
      `${cursor.left} bytes after the header`,
    );
  }
  const start = cursor.offset;
  const values = cursor.take(size, "the values");
  cursor.end(`${size} bytes of values for shape ${showShape(shape)}`);
  return { shape, ...decodeElements(source.path, values, start, type, count, false) };
}
