/** JSON Schema of gmc.config.json; docs and editors use it too. */
import { engineNames } from "../engines/registry.js";

const options = {
  data: { type: "string", minLength: 1, description: "A registered data set (mnist) or files (x=train.npy,y=labels.csv); as --data." },
  epochs: { type: "number", exclusiveMinimum: 0, description: "Passes over the training data." },
  steps: { type: "integer", minimum: 1, description: "Training steps; wins over epochs." },
  batch: { type: "integer", minimum: 1, description: "Rows of a training batch." },
  lr: { type: "number", exclusiveMinimum: 0, description: "Learning rate, in place of the model's." },
  seed: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "Seed of weights, data order and noise." },
  engine: { type: "string", enum: engineNames, description: "As --engine." },
  threads: { type: "integer", minimum: 1, description: "CPU threads of the engine." },
  k: { type: "integer", minimum: 1, description: "Samples of importance-weighted bounds in evaluation." },
  chains: { type: "integer", minimum: 1, description: "Chains of annealed importance sampling in evaluation." },
  temperatures: { type: "integer", minimum: 1, description: "Temperatures of annealed importance sampling in evaluation." },
  set: {
    type: "object",
    description: "Hyperparameters of the model; as --set.",
    additionalProperties: { anyOf: [{ type: "number" }, { type: "array", items: { type: "number" } }, { type: "boolean" }] },
  },
} as const;

export const configSchema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "gmc.config.json",
  type: "object",
  additionalProperties: false,
  properties: {
    $schema: { type: "string" },
    ...options,
    runs: { type: "string", minLength: 1, description: "Folder that runs are written under." },
    models: {
      type: "object",
      description: "Options by model file, relative to this file.",
      additionalProperties: { type: "object", additionalProperties: false, properties: options },
    },
  },
} as const;
