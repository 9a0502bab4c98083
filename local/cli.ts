/** The commands of the Makefile. Exit codes: 0 done and healthy, 1 failed, 2 wrong usage or settings. */
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { alarmReport } from "./alarms";
import { UsageError } from "./config";
import { readProblems } from "./problems";
import { runDrill } from "./drill";
import { failoverCommands } from "./failover/commands";
import { runPsql } from "./psql";
import { auditorPrograms, runAsAuditor } from "./auditor";
import { checkout, type Environment } from "./environment";
import { loseStack } from "./loseStack";
import { health, removeEverything, runCron, stopEverything, table, trouble } from "./operate";
import { snapshotPrimary } from "./snapshot";
import { ensurePrerequisites } from "./install";
import type { ReviewOptions } from "../review/main";
import { inForeground, interrupt, onInterrupt, progress, requireDeployment, withEnvironment } from "./session";
import { up, whatNext } from "./up";

// Who reads may stop reading ("| head"): no reason to stop working.
process.stdout.on("error", () => undefined);
process.on("SIGINT", onInterrupt).on("SIGTERM", onInterrupt).on("SIGHUP", onInterrupt);

const cli = new Command("authensor")
  .description("Authensor's database on this machine: the production program against real servers")
  .enablePositionalOptions()
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text) })
  .showHelpAfterError('(see "./authensor help")');

cli
  .command("up")
  .description("start everything, or update what changed, and return")
  .option("--set <key=value...>", "override a setting of Pulumi.local.yaml for this run")
  .action(async ({ set = [] }: { set?: string[] }) => {
    ensurePrerequisites((line) => progress.line(line));
    await withEnvironment("make local", async (environment) => {
      const { outputs, rows } = await up(environment, set, progress, interrupt.signal);
      progress.end();
      process.stdout.write(whatNext(outputs, environment.outputsFile, rows));
      if (rows.some(({ healthy }) => !healthy)) throw new Error("not everything is healthy, see the table above");
    });
  });

cli
  .command("prepare")
  .description("install what the machine lacks for the tests: PostgreSQL, PgBouncer, Chromium")
  .action(() => void ensurePrerequisites((line) => progress.line(line), { tests: true }));

cli
  .command("status")
  .description("what runs where, how well, and what alarms say; 1 if anything is not healthy or pages")
  .action(async () => {
    const look = async (environment: Environment) => {
      requireDeployment(environment);
      const rows = await health(environment);
      console.log(table(rows));
      const { lines, pages } = alarmReport(environment);
      if (lines.length > 0) console.log(`\n${lines.map((line) => `  ${line}`).join("\n")}`);
      const ill = trouble(rows);
      if (ill !== undefined) throw new Error(ill);
      if (pages) throw new Error("an alarm pages; what to do is in its runbook");
      if (!environment.state.finished) throw new Error("the last `make local` did not finish; run it again");
    };
    await withEnvironment("make status", look, { readOnly: true });
  });

cli
  .command("down")
  .description("stop everything and keep the data")
  .action(() =>
    withEnvironment("make down", async (environment) => {
      const stopped = await stopEverything(environment, progress);
      progress.line(
        stopped > 0
          ? "everything is stopped; run `make local` to continue with the same data"
          : "there is no local deployment: nothing to stop",
      );
    }),
  );

cli
  .command("clean")
  .description("stop everything and delete it, data included")
  .action(() => {
    const remove = async (environment: Environment) => {
      if (environment.exists) await stopEverything(environment, progress);
      await removeEverything(environment);
      progress.line(environment.exists ? "everything is deleted" : "there is no local deployment: nothing to delete");
    };
    return withEnvironment("make clean", remove, { evenUnreadable: true });
  });

cli
  .command("snapshot")
  .description("take a snapshot of the primary, which a new stack can be made from (docs/restore.md)")
  .argument("<name>", "what it is called, for example before-upgrade")
  .action((name: string) =>
    withEnvironment("snapshot", async (environment) => {
      requireDeployment(environment);
      progress.line(`restoreFrom=${await snapshotPrimary(environment, name, interrupt.signal)}`);
    }),
  );

cli
  .command("lose-stack")
  .description(
    "stop everything and forget it, but for what outlives a stack on AWS: buckets, RDS' backups and snapshots (docs/restore.md)",
  )
  .action(() =>
    withEnvironment("lose-stack", async (environment) => {
      requireDeployment(environment);
      await stopEverything(environment, progress);
      for (const line of loseStack(environment)) progress.line(line);
    }),
  );

cli
  .command("cron")
  .description("run a CronJob now")
  .argument("[name]", "for example partitions")
  .action(async (name?: string) => {
    if (name === undefined) throw new UsageError("which CronJob? For example `make cron NAME=partitions`");
    process.exitCode = await withEnvironment("make cron", (environment) => {
      requireDeployment(environment);
      return runCron(environment, name);
    });
  });

cli
  .command("drill")
  .description("restore the copies of the backups into a scratch instance, prove them, and remove it")
  .action(async () => {
    process.exitCode = await withEnvironment("make drill", (environment) => {
      requireDeployment(environment);
      return runDrill(environment, progress, interrupt.signal);
    });
  });

failoverCommands(cli);

cli
  .command("pulumi")
  .description("Pulumi's own command line on a local cloud of its own, for example up; what follows is passed on to it")
  .helpOption(false)
  .allowUnknownOption()
  .argument("[arguments...]")
  .action(async () => {
    // Two engines do not share what they remember.
    process.env["AUTHENSOR_LOCAL_DIR"] ??= join(checkout, ".local-pulumi");
    ensurePrerequisites((line) => progress.line(line));
    process.removeListener("SIGINT", onInterrupt).on("SIGINT", () => undefined); // Pulumi's: it ends in order
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- no other command needs what it loads
    const { runPulumi } = require("./pulumi") as typeof import("./pulumi");
    process.exitCode = await withEnvironment("make pulumi", (environment) =>
      runPulumi(environment, process.argv.slice(3), interrupt.signal),
    );
  });

cli
  .command("psql")
  .description("SQL as a role, for example auditor; what follows is passed on to psql")
  .argument("[role]", "for example auditor")
  .argument("[arguments...]", "psql's own, for example -c 'select 1'")
  .passThroughOptions()
  .action(async (role: string | undefined, more: string[]) => {
    process.exitCode = await inForeground("psql", (outputsFile) => runPsql(outputsFile, role, more));
  });

cli
  .command("review")
  .description(
    "what a reviewer must know of a change, from `pulumi preview --json`; 1 if that failed, 3 if what holds data is replaced or deleted, or a policy forbids it",
  )
  .argument("[file]", "what pulumi preview --json wrote; without it, or with -, standard input")
  .option("--markdown", "for a comment of a pull request, within its 65,536 characters")
  .option("--policies <file>", "what policy packs said of it, from a preview's stream of events (docs/review.md)")
  .option(
    "--allow <name>",
    "a resource with data that may be replaced or deleted, by its name; once for each",
    (name: string, before: string[] = []) => [...before, name],
  )
  .action((file: string | undefined, options: ReviewOptions) => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- no other command needs what it loads
    const { runReview } = require("../review/main") as typeof import("../review/main");
    const { text, exitCode } = runReview(file, options);
    process.stdout.write(text);
    process.exitCode = exitCode;
  });

for (const [program, description] of Object.entries(auditorPrograms)) {
  cli
    .command(program)
    .description(`${description} (its own options: ./authensor ${program} --help)`)
    .helpOption(false)
    .allowUnknownOption()
    .argument("[arguments...]")
    .action(async () => {
      // As they were typed: "--" is the program's to read.
      const args = process.argv.slice(3);
      process.exitCode = await inForeground(program, (outputsFile) => runAsAuditor(outputsFile, program, args));
    });
}

async function main(): Promise<void> {
  try {
    await cli.parseAsync();
  } catch (error) {
    progress.end();
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2; // commander has said what is wrong
      return;
    }
    const { message, exitCode } = readProblems(error, interrupt.signal);
    console.error(message);
    process.exitCode = exitCode;
  }
}

void main().finally(() => {
  progress.end();
  // Promises of the program that never settle, and probes that still wait, must not keep the command.
  process.exit();
});
