/** What a deployment expects of its database: told by migrations, and compared by the verifications on schedule. */
import { readFileSync } from "node:fs";
import * as z from "zod/mini";
import { Failure } from "./program";

const expectationsSchema = z.strictObject({
  /** As given to the RDS parameter group: numbers in the parameter's base unit. */
  parameters: z._default(z.record(z.string(), z.string()), {}),
  /** Months ahead that must have a partition. */
  monthsAhead: z._default(z.int().check(z.minimum(0), z.maximum(120)), 3),
  /** Connections that each role may have, by its name. */
  connections: z._default(z.record(z.string(), z.int().check(z.minimum(1))), {}),
  /** Programs on schedule that the deployment has: the monitor awaits their runs. Default: as it was. */
  programs: z.optional(z.array(z.string())),
  /** Whether the server must speak TLS, and this connection use it. */
  ssl: z._default(z.boolean(), true),
});

export type Expectations = z.infer<typeof expectationsSchema>;

/** What the file named by EXPECTATIONS_FILE asks for, or the defaults where there is none. */
export function readExpectations(file: string | undefined): Expectations {
  if (!file) return expectationsSchema.parse({});
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Failure(
      `EXPECTATIONS_FILE: cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
      [],
      2,
    );
  }
  const parsed = expectationsSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new Failure(`EXPECTATIONS_FILE: ${file} is not as expected`, z.prettifyError(parsed.error).split("\n"), 2);
}
