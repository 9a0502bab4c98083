/** Reboots the database servers whose changed parameters wait for it. Safe to run at any time, and again after it was killed. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import * as z from "zod/mini";
import { databaseUrl } from "./database";
import { Failure, integerSetting, runProgram, type Context } from "./program";
import { Instance } from "./reboot/instance";
import { rebootWhatWaits } from "./reboot/reboot";

const environment = `
Environment:
  DATABASE_URL_FILE   a file with the owner's URL of the primary (or DATABASE_URL)
  REPLICA_URL_FILE    the same of the replica (or REPLICA_URL); without it there is none
  PRIMARY_ARN, REPLICA_ARN  the RDS instances
  PARAMETERS_FILE     JSON of the parameters that a server takes when it starts: {"primary": {name: value, …}, "replica": {…}}
  WAIT_SECONDS        how long RDS may take for one step (default 1200)
  POLL_MILLISECONDS   how often RDS is asked (default 5000)

A server is rebooted only if it differs and RDS reports pending-reboot. Raised: the replica first; lowered: the primary first.
Exit codes: 0 nothing waits any more, 1 failed, 2 wrong usage or settings.`;

const schema = z.object({
  primary: z.record(z.string(), z.string()),
  replica: z._default(z.record(z.string(), z.string()), {}),
});

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Failure(`${name} is not set`, [], 2);
  return value;
}

function readParameters(file: string): z.infer<typeof schema> {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw new Failure(`PARAMETERS_FILE: ${file} is not as expected: ${(error as Error).message}`, [], 2);
  }
}

async function run({ log, signal }: Context): Promise<void> {
  const parameters = readParameters(setting("PARAMETERS_FILE"));
  const { REPLICA_URL: DATABASE_URL, REPLICA_URL_FILE: DATABASE_URL_FILE } = process.env;
  const primary = new Instance(setting("PRIMARY_ARN"), databaseUrl(), parameters.primary, signal);
  const replica =
    DATABASE_URL || DATABASE_URL_FILE
      ? new Instance(
          setting("REPLICA_ARN"),
          databaseUrl({ DATABASE_URL, DATABASE_URL_FILE }),
          parameters.replica,
          signal,
        )
      : undefined;
  const rebooted = await rebootWhatWaits(
    { primary, replica },
    {
      log,
      signal,
      waitSeconds: integerSetting("WAIT_SECONDS", 1200),
      pollMilliseconds: integerSetting("POLL_MILLISECONDS", 5000),
    },
  );
  log.info(rebooted.length === 0 ? "no server waits for a reboot" : "every server has its parameters in force", {
    rebooted,
  });
}

void runProgram("reboot", "Reboots the servers whose parameters wait for it.", (command: Command, context) => {
  command.addHelpText("after", environment).action(() => run(context));
});
