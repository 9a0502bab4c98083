import { RunError } from "@pulumi/pulumi/errors";
import { Failure } from "../../ops/program";
import { readAcknowledgements } from "../../ops/verify/acknowledgements";

/** The findings that were looked into, as JSON, checked as the verification will read them. */
export function acknowledgements(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return `${JSON.stringify(readAcknowledgements(file), undefined, 2)}\n`;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new RunError([`acknowledgedFile: ${error.message}`, ...error.details].join("\n"));
  }
}
