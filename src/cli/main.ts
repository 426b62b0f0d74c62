#!/usr/bin/env node
/** The `gmc` command. Loads nothing but what its command needs. */
import { runCli } from "./program.js";

process.exitCode = await runCli(process.argv.slice(2));
