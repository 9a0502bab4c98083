import { RunError } from "@pulumi/pulumi/errors";

/**
 * For the `catch` of a look-up: one line for the person who deploys, with the service's own reason in it.
 * @param what what could not be looked up, and which setting names it
 * @param check what to check, or the command that shows the same
 */
export const because = (what: string, check: string) => (error: unknown) => {
  throw new RunError(`${what}: ${reasonOf(error)}. Check ${check}`);
};

/** "invocation of … returned an error: … 1 error occurred:\n\t* reading EKS Cluster (x): couldn't find resource" → what follows the star. */
function reasonOf(error: unknown): string {
  const lines = String(error instanceof Error ? error.message : error).split("\n");
  const said = lines.map((line) => line.replace(/^\s*\*\s*/, "").trim()).filter((line) => line !== "");
  return (said.at(-1) ?? "no reason was given").replace(/\.$/, "");
}
