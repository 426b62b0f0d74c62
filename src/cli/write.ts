/** Writing what was generated: only where it differs, whole or not at all, so that a watcher never sees a part. */
import { dirname } from "node:path";
import { PlaceError } from "../runtime/node/file-errors.js";
import { holdsText, makeFolder, writeFileAtomic } from "../runtime/node/files.js";

/** GM5305 */
export function writeGenerated(path: string, text: string): "written" | "unchanged" {
  if (holdsText(path, text)) return "unchanged";
  try {
    makeFolder(dirname(path));
    writeFileAtomic(path, text);
  } catch (error) {
    throw error instanceof PlaceError ? error.coded("GM5305") : error;
  }
  return "written";
}
