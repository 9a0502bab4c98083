/** Prints where every chain ends, with a digest: to be kept where nobody who could change the database reaches it. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { databaseUrl, withConnection } from "./database";
import { runProgram, type Context } from "./program";
import { parseAnchors } from "./anchorFormat";
import { takeAnchor } from "./takeAnchor";

const help = `
Environment:
  DATABASE_URL       the auditor's URL (or the owner's)
  DATABASE_URL_FILE  a file with that URL, in its place

One line of JSON, as docs/chain.md describes it; verify --anchors and --from-anchor read it.
Exit codes: 0 done, 1 failed, 2 wrong usage.`;

async function anchor({ output }: { output?: string }, { signal }: Context): Promise<void> {
  const taken = await withConnection({ url: databaseUrl(), applicationName: "authensor-anchor", signal }, takeAnchor);
  const line = `${JSON.stringify(taken)}\n`;
  // Kept for years and read when it matters: what could not be read then must not be written now.
  parseAnchors(line, "the anchor");
  if (output === undefined) process.stdout.write(line);
  else writeFileSync(output, line, { flag: "wx" });
}

void runProgram("anchor", "Prints where every chain of the audit trail ends.", (command: Command, context) => {
  command
    .addHelpText("after", help)
    .option("--output <file>", "write it there instead; a file that exists is never overwritten")
    .action((options: { output?: string }) => anchor(options, context));
});
