/** Pictures brought to another size: by averaging areas (each target pixel is the mean of the source area that it covers), or with a border of zeros. */
import { allocate, type DataArray } from "./array.js";

/** [N, H, W] or [N, H, W, C] to [N, height, width(, C)]; u8 is rounded, all else becomes f32. */
export function resizePictures(array: DataArray, height: number, width: number): DataArray {
  const [count = 0, fromHeight = 0, fromWidth = 0, channels = 1] = array.shape;
  const bytes = array.dtype === "u8";
  const data = allocate(bytes ? "u8" : "f32", count * height * width * channels);
  const rows = overlaps(fromHeight, height);
  const columns = overlaps(fromWidth, width);
  const size = fromHeight * fromWidth * channels;
  // Rows first: whole lines are added, and the second pass has little left.
  const low = new Float64Array(height * fromWidth * channels);
  const small = new Float64Array(height * width * channels);
  for (let n = 0; n < count; n++) {
    averageRows(array.data, n * size, low, rows, height, fromWidth * channels);
    averageColumns(low, small, columns, height, fromWidth, width, channels);
    if (bytes) for (let i = 0; i < small.length; i++) small[i] = Math.round(small[i]!);
    data.set(small, n * small.length);
  }
  return { shape: [count, height, width, ...array.shape.slice(3)], dtype: bytes ? "u8" : "f32", data };
}

/** [N, H, W] or [N, H, W, C] in the middle of [N, height, width(, C)], zeros around. */
export function padPictures(array: DataArray, height: number, width: number): DataArray {
  const [count = 0, fromHeight = 0, fromWidth = 0, channels = 1] = array.shape;
  const [top, left] = [Math.floor((height - fromHeight) / 2), Math.floor((width - fromWidth) / 2)];
  const line = fromWidth * channels;
  const data = allocate(array.dtype, count * height * width * channels);
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < fromHeight; y++) {
      const from = (n * fromHeight + y) * line;
      data.set(array.data.subarray(from, from + line), ((n * height + top + y) * width + left) * channels);
    }
  }
  return { ...array, shape: [count, height, width, ...array.shape.slice(3)], data };
}

/** For each target: the first source that it covers, how many, and their shares, `stride` apart. */
interface Overlaps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly share: Float64Array;
  readonly stride: number;
}

/** [from, inner], from element `start` of the source on, to [to, inner]. */
function averageRows(source: DataArray["data"], start: number, target: Float64Array, axis: Overlaps, to: number, inner: number): void {
  const { first, count, share, stride } = axis;
  target.fill(0);
  for (let t = 0; t < to; t++) {
    const at = t * inner;
    for (let k = 0; k < count[t]!; k++) {
      const weight = share[t * stride + k]!;
      const line = start + (first[t]! + k) * inner;
      for (let c = 0; c < inner; c++) target[at + c]! += weight * source[line + c]!;
    }
  }
}

/** The middle axis of [outer, from, inner] to [outer, to, inner]. */
function averageColumns(
  source: Float64Array,
  target: Float64Array,
  axis: Overlaps,
  outer: number,
  from: number,
  to: number,
  inner: number,
): void {
  const { first, count, share, stride } = axis;
  for (let o = 0; o < outer; o++) {
    for (let t = 0; t < to; t++) {
      for (let c = 0; c < inner; c++) {
        let sum = 0;
        for (let k = 0; k < count[t]!; k++) sum += share[t * stride + k]! * source[(o * from + first[t]! + k) * inner + c]!;
        target[(o * to + t) * inner + c] = sum;
      }
    }
  }
}

function overlaps(from: number, to: number): Overlaps {
  const step = from / to;
  const stride = Math.ceil(step) + 1;
  const first = new Int32Array(to);
  const count = new Int32Array(to);
  const share = new Float64Array(to * stride);
  for (let target = 0; target < to; target++) {
    const start = target * step;
    const stop = (target + 1) * step;
    first[target] = Math.floor(start);
    for (let source = Math.floor(start); source < Math.min(from, Math.ceil(stop - 1e-9)); source++) {
      share[target * stride + count[target]!++] = (Math.min(stop, source + 1) - Math.max(start, source)) / step;
    }
  }
  return { first, count, share, stride };
}
