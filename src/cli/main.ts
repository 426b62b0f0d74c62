#!/usr/bin/env node
/** The `gmc` command. Loads nothing but what its command needs. */
import { reportFailure } from "./errors.js";
import { guardStreams } from "./output.js";
import { runCli } from "./program.js";

guardStreams((error) => reportFailure(error, false));
process.exitCode = await runCli(process.argv.slice(2));
