/** Exit codes. */
export const FINE = 0;
/** The model or the run is wrong. */
export const WRONG = 1;
/** The command line is wrong. */
export const USAGE = 2;
/** Stopped by SIGINT or SIGTERM, saved. */
export const INTERRUPTED = 130;
