/** GM5: command line, data, configuration and engines. The runtime words its own messages; the entries here hold titles for lists and pages. */
import { code, type CodeEntry } from "./entry.js";

/** The message of an error that the runtime has worded. */
const worded = (title: string) => code("error", title, (a: { message: string }) => a.message);

export const gm5 = {
  GM5301: worded("Unknown command or option"),
  GM5302: worded("Wrong usage of a command"),
  GM5303: worded("A model file cannot be read"),
  GM5304: worded("A generated file is stale"),
  GM5305: worded("A generated file cannot be written"),
  GM5306: worded("A model is not formatted"),
  GM5309: worded("No data are named"),
  GM5310: worded("There is no run"),
  GM5311: worded("A picture that cannot be drawn"),
  GM5401: worded("onnxruntime is missing"),
  GM5402: worded("onnxruntime stopped"),
  GM5403: worded("Tensors beyond the memory of the onnx engine"),
} as const satisfies Record<`GM5${string}`, CodeEntry<never>>;
