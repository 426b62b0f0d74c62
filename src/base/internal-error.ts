/** A bug of gmc, never a mistake of its user: those are diagnostics. */
export class InternalError extends Error {
  override readonly name = "InternalError";
}

/** Ends a `switch` over a union: a new member that is not handled does not type-check. */
export function assertNever(value: never): never {
  throw new InternalError(`unexpected value ${JSON.stringify(value)}`);
}
