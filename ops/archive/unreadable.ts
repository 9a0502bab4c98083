import { Failure } from "../program";

/** Whether what was read is not what it should be, or is not there; not so when S3 or the network has failed. */
export const isUnreadable = (error: unknown): boolean =>
  error instanceof Failure ||
  error instanceof SyntaxError ||
  isGone(error) ||
  (error instanceof Error && "code" in error && /^Z_/.test(String(error.code)));

export const isGone = (error: unknown): boolean =>
  error instanceof Error && /^(NoSuchKey|NoSuchVersion|NotFound)$/.test(error.name);
