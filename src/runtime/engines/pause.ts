/** A turn of the event loop: an engine may answer without ever leaving the microtask queue, and timers and signals need one. */
export function pause(): Promise<void> {
  return new Promise((resolve) => (typeof setImmediate === "function" ? setImmediate(resolve) : setTimeout(resolve, 0)));
}
