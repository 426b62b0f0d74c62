/** What Node adds to the runtime, exported as `gmc/node`: data files and registered sets, checkpoints, run folders, configuration, pictures. */
export { checkCompatible, loadCheckpoint, loadCheckpointFile, saveCheckpoint } from "./checkpoint.js";
export type { Checkpoint, CheckpointInfo, Expected, LoadedCheckpoint, SaveOptions } from "./checkpoint.js";
export { loadConfig, readConfig, type Configuration, type ConfiguredOptions, type ModelConfiguration } from "./config.js";
export { configSchema } from "./config-schema.js";
export { listDatasets, loadDataset, loadRawData, type DatasetListing, type LoadOptions } from "./datasets.js";
export { cannotRead, cannotWrite } from "./file-errors.js";
export { makeFolder, projectRoot, readBytes, readText, writeFileAtomic } from "./files.js";
export { lockFolder, type Lock } from "./lock.js";
export type { Manifest } from "./manifest.js";
export { openMetrics, readMetrics, type MetricRow, type MetricsLog } from "./metrics.js";
export { columnOf, drawReconstructions, drawRows, lookOf, type Drawing, type Look } from "./pictures.js";
export { drawCurves, drawHistogram, drawLines, drawPlane, planeWindow, renderSvg } from "./plots.js";
export type { CurveOptions, PlaneOptions, PointSet, Series, Window } from "./plots.js";
export { encodePng, type Raster, type Rows } from "./raster.js";
export { readArray, readFields, type ReadField, type ReadFields } from "./readers.js";
export { createRun, listRuns, readRunConfig, reopenRun, type NewRun, type RunConfig, type RunFolder } from "./run-folder.js";
export { loadTrained, train, type LoadTrainedOptions, type NodeTrainOptions, type Saved } from "./run-train.js";
