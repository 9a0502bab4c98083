/** Prints where every chain ends, with a digest: to be kept where nobody who could change the database reaches it. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { databaseUrl, withConnection } from "./database";
import { takeManifests } from "./manifest";
import { Failure, runProgram, type Context } from "./program";
import { parseAnchors } from "./anchorFormat";
import { takeAnchor } from "./takeAnchor";

const help = `
Environment:
  DATABASE_URL       the auditor's URL (or the owner's)
  DATABASE_URL_FILE  a file with that URL, in its place

One line of JSON, as docs/chain.md describes it; verify --anchors and --from-anchor read it.
Exit codes: 0 done, 1 failed, 2 wrong usage.`;

interface Options {
  output?: string;
  month?: string;
}

async function anchor({ output, month }: Options, { signal }: Context): Promise<void> {
  if (month !== undefined && !/^\d{4}-(0[1-9]|1[0-2])$/.test(month))
    throw new Failure(`--month must be a month such as 2026-09, not "${month}"`, [], 2);
  const connection = { url: databaseUrl(), applicationName: "authensor-anchor", signal };
  const taken = await withConnection<object[]>(connection, async (client) =>
    month === undefined ? [await takeAnchor(client)] : takeManifests(client, month),
  );
  const lines = taken.map((one) => `${JSON.stringify(one)}\n`).join("");
  // Kept for years and read when it matters: what could not be read then must not be written now.
  if (month === undefined) parseAnchors(lines, "the anchor");
  if (output === undefined) process.stdout.write(lines);
  else writeFileSync(output, lines, { flag: "wx" });
}

void runProgram("anchor", "Prints where every chain of the audit trail ends.", (command: Command, context) => {
  command
    .addHelpText("after", help)
    .option("--output <file>", "write it there instead; a file that exists is never overwritten")
    .option(
      "--month <month>",
      "print the manifests of a month instead: before it is archived, to vouch for it afterwards",
    )
    .action((options: Options) => anchor(options, context));
});
