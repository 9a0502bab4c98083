/** `./authensor failover`, and the commands that it is made of (docs/failover.md). */
import { join } from "node:path";
import { type Command, Option } from "commander";
import { checkout } from "../environment";
import { ensurePrerequisites } from "../install";
import { interrupt, progress, requireDeployment, withEnvironment } from "../session";
import { cutReplica, forgetRegion, forgetRegionIn, leftInRegion, loseRegion, returnRegion } from "./regions";
import { rehearse } from "./rehearsal";
import { isGood, report } from "./report";

interface Options {
  set?: string[];
  andBack?: boolean;
  zone?: boolean;
  planned?: boolean;
  behind?: boolean;
}

const lossOf = ({ zone, planned, behind }: Options) =>
  zone ? "zone" : planned ? "planned" : behind ? "behind" : "region";

export function failoverCommands(cli: Command): void {
  cli
    .command("failover")
    .description(
      "rehearse the loss of the primary's region under write load, on a local cloud of its own (docs/failover.md)",
    )
    .option("--set <key=value...>", "override a setting of Pulumi.local.yaml for this run")
    .option("--and-back", "then make a new replica where the primary was, and lose the region of the new primary too")
    .addOption(
      new Option("--zone", "lose the primary's zone alone: its standby takes over").conflicts([
        ...["andBack", "planned", "behind"],
      ]),
    )
    .addOption(new Option("--planned", "fence the region before it is left: nothing is lost").conflicts("behind"))
    .option("--behind", "lose the region while the replica lacks the last receipts: refused, accepted, and brought in")
    .action(async (options: Options) => {
      const { set: settings = [], andBack = false } = options;
      ensurePrerequisites((line) => progress.line(line));
      const directory = process.env["AUTHENSOR_LOCAL_DIR"] ?? join(checkout, ".local-failover");
      const rehearsed = await rehearse(directory, { settings, loses: lossOf(options), andBack }, progress);
      progress.end();
      process.stdout.write(report(rehearsed));
      console.log(`it still runs: AUTHENSOR_LOCAL_DIR=${directory} ./authensor status, and clean to delete it`);
      if (!isGood(rehearsed)) process.exitCode = 1;
    });

  cli
    .command("lose-region")
    .description(
      "have a region of the local cloud answer nothing any more, and kill what runs in it (docs/failover.md)",
    )
    .argument("<region>", "for example eu-central-1")
    .action((region: string) =>
      withEnvironment("lose-region", async (environment) => {
        requireDeployment(environment);
        const there = await loseRegion(environment, region);
        progress.line(`${region} is lost, with ${there} resources; what to do is in docs/failover.md`);
      }),
    );

  cli
    .command("cut-replica")
    .description("have the replica receive nothing any more, as where the network between the regions fails")
    .action(() =>
      withEnvironment("cut-replica", async (environment) => {
        requireDeployment(environment);
        await cutReplica(environment);
      }),
    );

  cli
    .command("lose-zone")
    .description("have the primary's standby in another zone take over (needs multiAz)")
    .action(() =>
      withEnvironment("lose-zone", async (environment) => {
        requireDeployment(environment);
        // eslint-disable-next-line @typescript-eslint/no-require-imports -- no other command needs what it loads
        const { loseZone } = require("./zone") as typeof import("./zone");
        await loseZone(environment, interrupt.signal);
      }),
    );

  cli
    .command("return-region")
    .description("have a lost region of the local cloud answer again; nothing of what ran in it comes back")
    .argument("<region>", "for example eu-central-1")
    .action((region: string) =>
      withEnvironment("return-region", (environment) => {
        returnRegion(environment, region);
        return Promise.resolve();
      }),
    );

  cli
    .command("forget-region")
    .description(
      "have a state forget all that is in a lost region: the local cloud's, or one that pulumi stack export wrote",
    )
    .argument("<region>", "the primary's, for example eu-central-1")
    .argument(
      "[file]",
      "what pulumi stack export wrote, or - for standard input; what pulumi stack import takes is printed",
    )
    .option("--left <stack>", "print what a stack of this name imports to destroy what was left in the region")
    .action(async (region: string, file?: string, { left }: { left?: string } = {}) => {
      if (file !== undefined && left !== undefined) {
        process.stdout.write(leftInRegion(file, region, left));
        return;
      }
      if (file !== undefined) {
        process.stdout.write(forgetRegionIn(file, region, (line) => console.error(line)));
        return;
      }
      await withEnvironment("forget-region", (environment) => {
        requireDeployment(environment);
        return forgetRegion(environment, region, progress);
      });
    });
}
