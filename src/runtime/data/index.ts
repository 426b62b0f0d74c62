/** Data: parsers from bytes, binding to a model's variables, batches. Pure; reading files is in node/. */
export * from "./array.js";
export { audioRows, fromMuLaw, muLaw, type AudioOptions, type AudioRows, type Recording } from "./audio.js";
export { parseBits } from "./bits.js";
export { bindData } from "./bind.js";
export type { ByteSource } from "./bytes.js";
export { parseCsv, tableArray, type CsvOptions, type Table, type TableColumn } from "./csv.js";
export * from "./dataset.js";
export { parseIdx } from "./idx.js";
export { inflateSource, isGzip, maxUnpacked, webInflate, type Compression, type Inflate } from "./inflate.js";
export { parseMat4 } from "./mat.js";
export { parseNpy } from "./npy.js";
export { npzNames, parseNpz, parseNpzArray } from "./npz.js";
export { padPictures, resizePictures } from "./resize.js";
export * from "./spec.js";
export { applySplits, type SplitOptions } from "./splits.js";
export * from "./streams.js";
export { encodeWav, parseWav, resample, type Wave } from "./wav.js";
export { closest, suggestion } from "./suggest.js";
export {
  describeSynthetic,
  drawSynthetic,
  syntheticLogDensity,
  syntheticNames,
  type SyntheticName,
  type SyntheticOptions,
} from "./synthetic.js";
