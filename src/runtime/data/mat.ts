/**
 * MATLAB matrices: version 4 files (a 20-byte header, a name, values in column order, either byte order). Later versions are refused with a way out.
 */
import { checkedCount, type DataArray, type NamedArrays } from "./array.js";
import { ByteCursor, corrupt, unsupported, type ByteSource } from "./bytes.js";
import { decodeElements, fileTypeBytes, type FileType } from "./elements.js";

const types: readonly FileType[] = ["f64", "f32", "i32", "i16", "u16", "u8"];

/** All numeric matrices by name, each [rows, columns]. */
export function parseMat4(source: ByteSource): NamedArrays {
  const { path, bytes } = source;
  if (new TextDecoder("latin1").decode(bytes.subarray(0, 6)) === "MATLAB") {
    throw unsupported(path, "MATLAB files of version 5 and later are not read", [
      "save with save('file.mat', 'x', '-v4'), or write a .csv or .npy file",
    ]);
  }
  const cursor = new ByteCursor(source);
  const arrays: [string, DataArray][] = [];
  do {
    const start = cursor.offset;
    // The type number is 0 to 52 in little-endian files, 1000 to 1052 in big-endian ones: the third byte tells them apart.
    const littleEndian = cursor.take(4, "a matrix header")[2] === 0;
    cursor.offset = start;
    const code = cursor.u32("the matrix type", littleEndian);
    const type = types[Math.floor(code / 10) % 10];
    const order = Math.floor(code / 1000);
    if (order !== (littleEndian ? 0 : 1) || Math.floor(code / 100) % 10 !== 0 || type === undefined) {
      throw corrupt(path, start, "the header of a MATLAB 4 matrix", `type number ${code}`, [
        "only MATLAB 4 files and plain numbers are read",
      ]);
    }
    if (code % 10 !== 0) throw unsupported(path, "text and sparse MATLAB matrices are not read", ["save full numeric matrices"]);
    const rows = cursor.u32("the number of rows", littleEndian);
    const columns = cursor.u32("the number of columns", littleEndian);
    const imaginary = cursor.u32("the imaginary flag", littleEndian);
    if (imaginary !== 0) throw unsupported(path, "complex MATLAB matrices are not read", ["save the real and the imaginary part apart"]);
    const nameLength = cursor.u32("the length of the name", littleEndian);
    if (nameLength < 1 || nameLength > 64) throw corrupt(path, cursor.offset - 4, "a name of 1 to 64 bytes", String(nameLength));
    const name = new TextDecoder("latin1").decode(cursor.take(nameLength, "the name")).replace(/\0.*$/s, "");
    const count = checkedCount(path, [rows, columns]);
    const valuesAt = cursor.offset;
    const columnOrder = decodeElements(
      path,
      cursor.take(count * fileTypeBytes[type], `the values of ${name}, ${rows} x ${columns}`),
      valuesAt,
      type,
      count,
      littleEndian,
    );
    const data = columnOrder.data.slice();
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[i * columns + j] = columnOrder.data[j * rows + i]!;
    arrays.push([name, { shape: [rows, columns], dtype: columnOrder.dtype, data }]);
  } while (cursor.left > 0);
  return Object.fromEntries(arrays);
}
