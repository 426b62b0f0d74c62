#!/usr/bin/env node
/** The `gmc` command. Loads nothing but what its command needs. */
import module from "node:module";

// From Node 22.8 on, compiled code is kept from one start to the next; what is imported above is compiled before.
(module as { readonly enableCompileCache?: () => unknown }).enableCompileCache?.();

const { reportFailure } = await import("./errors.js");
const { guardStreams } = await import("./output.js");
const { runCli } = await import("./program.js");
guardStreams((error) => reportFailure(error, false));
process.exitCode = await runCli(process.argv.slice(2));
