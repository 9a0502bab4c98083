/** Prints where every chain ends, with a digest: to be kept where nobody who could change the database reaches it. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { databaseUrl, withConnection } from "./database";
import { Failure, runProgram, type Context } from "./program";
import { anchorDigest, parseAnchors } from "./anchorFormat";

const help = `
Environment:
  DATABASE_URL       the auditor's URL (or the owner's)
  DATABASE_URL_FILE  a file with that URL, in its place

One line of JSON, as docs/chain.md describes it; verify --anchors and --from-anchor read it.
Exit codes: 0 done, 1 failed, 2 wrong usage.`;

async function anchor({ output }: { output?: string }, { signal }: Context): Promise<void> {
  const { rows } = await withConnection({ url: databaseUrl(), applicationName: "authensor-anchor", signal }, (client) =>
    client.query<{ anchor: unknown }>("select audit.anchor() as anchor"),
  );
  const line = `${JSON.stringify(rows[0]?.anchor)}\n`;
  // Kept for years and read when it matters: what could not be read then must not be written now.
  const [written] = parseAnchors(line, "the database's anchor");
  if (!written || anchorDigest(written) !== written.digest)
    throw new Failure("the database's anchor is not what its digest says: audit.anchor() was altered");
  if (output === undefined) process.stdout.write(line);
  else writeFileSync(output, line, { flag: "wx" });
}

void runProgram("anchor", "Prints where every chain of the audit trail ends.", (command: Command, context) => {
  command
    .addHelpText("after", help)
    .option("--output <file>", "write it there instead; a file that exists is never overwritten")
    .action((options: { output?: string }) => anchor(options, context));
});
