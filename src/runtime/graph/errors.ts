/** A bug of the runtime itself. */
export class InternalError extends Error {
  override readonly name = "InternalError";
}

/**
 * A mistake in what the runtime was given (a shape, a file, an option). `code` is a GM code with a page in docs/errors/;
 * `help` says the way out, one line each. The CLI prints it like a compiler diagnostic, without a stack.
 */
export class GmcError extends Error {
  override readonly name = "GmcError";
  constructor(
    readonly code: string,
    message: string,
    readonly help: readonly string[] = [],
  ) {
    super(message);
  }
}

export function assertNever(value: never): never {
  throw new InternalError(`unexpected value ${JSON.stringify(value)}`);
}
