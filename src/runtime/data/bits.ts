/** Rows of bits packed into bytes, highest bit first, each row padded to whole bytes (numpy.packbits along the last axis). */
import { checkedCount, type DataArray } from "./array.js";
import { truncated, type ByteSource } from "./bytes.js";

/** `width` bits a row; the number of rows follows from the file's length. */
export function parseBits(source: ByteSource, width: number): DataArray {
  const stride = Math.ceil(width / 8);
  const rows = Math.floor(source.bytes.length / stride);
  const rest = source.bytes.length - rows * stride;
  if (rest !== 0 || rows === 0) {
    throw truncated(source.path, rows * stride, `whole rows of ${stride} bytes (${width} bits each)`, `${rest} bytes`);
  }
  const data = new Uint8Array(checkedCount(source.path, [rows, width]));
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (let bit = 0; bit < width; bit++) data[to++] = (source.bytes[row * stride + (bit >> 3)]! >> (7 - (bit & 7))) & 1;
  }
  return { shape: [rows, width], dtype: "bool", data };
}
