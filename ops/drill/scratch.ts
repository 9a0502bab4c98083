/** The instance that a drill restores into: made, used and removed by its one name, and only where it carries the drill's tag. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  DeleteDBInstanceCommand,
  DescribeDBInstanceAutomatedBackupsCommand,
  DescribeDBInstancesCommand,
  DescribeEventsCommand,
  ModifyDBInstanceCommand,
  RDSClient,
  RebootDBInstanceCommand,
  RestoreDBInstanceToPointInTimeCommand,
  type DBInstance,
} from "@aws-sdk/client-rds";
import type { Log } from "../log";
import { Failure } from "../program";
import { drillTag, scratchName } from "./name";

export interface ScratchSettings {
  environment: string;
  /** ARN of the copies of the primary's automated backups; their region is the instance's. */
  copiesArn: string;
  subnetGroup: string;
  securityGroup: string;
  parameterGroup: string;
  /** How long RDS may take for one step. */
  waitSeconds: number;
  /** How often RDS is asked. */
  pollMilliseconds: number;
}

/** What RDS does not come back from by itself. */
const isBroken = (status: string) => /^(failed|restore-error|inaccessible-|incompatible-|storage-full)/.test(status);

const isOf = (error: unknown, kind: string) => (error as Error).name.startsWith(kind);

/** GiB for twice what is used, the log and the sorting of indexes; undefined where there is as much. */
function storageFor(usedBytes: number, has: number | undefined): number | undefined {
  const needed = Math.ceil((2.5 * usedBytes) / 2 ** 30) + 5;
  // RDS enlarges by a tenth at least.
  return has === undefined || has >= needed ? undefined : Math.max(needed, Math.ceil(1.1 * has));
}

export class Scratch {
  readonly #client: Pick<RDSClient, "send">;
  readonly identifier: string;
  readonly region: string;

  constructor(
    readonly settings: ScratchSettings,
    readonly log: Log,
    readonly signal: AbortSignal,
    client?: Pick<RDSClient, "send">,
  ) {
    const [, , service, region = "", , kind] = settings.copiesArn.split(":");
    if (service !== "rds" || kind !== "auto-backup")
      throw new Failure(
        `COPIES_ARN: ${settings.copiesArn} is not the ARN of automated backups (arn:aws:rds:<region>:<account>:auto-backup:ab-…)`,
        [],
        2,
      );
    this.region = region;
    this.identifier = scratchName(settings.environment);
    this.#client = client ?? new RDSClient({ region, maxAttempts: 5 });
  }

  /** The newest moment that the copies lead to, as RDS tells it. */
  async newestRestorable(): Promise<Date> {
    const { copiesArn } = this.settings;
    const { DBInstanceAutomatedBackups: [found] = [] } = await this.#client.send(
      new DescribeDBInstanceAutomatedBackupsCommand({ DBInstanceAutomatedBackupsArn: copiesArn }),
      { abortSignal: this.signal },
    );
    const newest = found?.RestoreWindow?.LatestTime;
    if (newest) return newest;
    throw new Failure(
      `the copies in ${this.region} lead to no moment yet: RDS says "${found?.Status ?? "not there"}" of ${copiesArn}`,
    );
  }

  /** Undefined where there is none. @throws where one of its name is not a drill's */
  async find(signal = this.signal): Promise<DBInstance | undefined> {
    const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier: this.identifier });
    const { DBInstances: [found] = [] } = await this.#client
      .send(command, { abortSignal: signal })
      .catch((error: Error) => {
        if (isOf(error, "DBInstanceNotFound")) return { DBInstances: [] };
        throw error;
      });
    const { environment } = this.settings;
    if (!found || found.TagList?.some(({ Key, Value }) => Key === drillTag && Value === environment)) return found;
    throw new Failure(
      `an instance ${this.identifier} is in ${this.region} without the tag ${drillTag}=${environment}: no drill has made it, and this one leaves it alone`,
      ["Look at what it is, and give it another name or delete it. Then run the drill again."],
    );
  }

  async restore(): Promise<void> {
    const { environment, copiesArn, subnetGroup, securityGroup, parameterGroup } = this.settings;
    const order = new RestoreDBInstanceToPointInTimeCommand({
      SourceDBInstanceAutomatedBackupsArn: copiesArn,
      TargetDBInstanceIdentifier: this.identifier,
      UseLatestRestorableTime: true,
      DBSubnetGroupName: subnetGroup,
      VpcSecurityGroupIds: [securityGroup],
      DBParameterGroupName: parameterGroup,
      PubliclyAccessible: false,
      MultiAZ: false,
      AutoMinorVersionUpgrade: false,
      DeletionProtection: false,
      // It is gone before a backup of it could be of use.
      BackupRetentionPeriod: 0,
      Tags: [{ Key: drillTag, Value: environment }],
    });
    try {
      await this.#client.send(order, { abortSignal: this.signal });
    } catch (error) {
      // RDS' answer was lost, and the order was given once more: what an earlier drill had left is gone by now.
      if (!isOf(error, "DBInstanceAlreadyExists") || !(await this.find())) throw error;
    }
  }

  /** Where its server is, once RDS says that it can be used, with its parameters in force. */
  async available(): Promise<{ host: string; port: number; master: string }> {
    const found = await this.#until("is available", (instance) => instance.DBInstanceStatus === "available");
    const waits = found.DBParameterGroups?.some((group) => group.ParameterApplyStatus === "pending-reboot");
    const ready = waits ? await this.#reboot() : found;
    const { Endpoint: { Address: host, Port: port } = {}, MasterUsername: master } = ready;
    if (host === undefined || port === undefined || master === undefined)
      throw new Failure(`RDS calls ${this.identifier} available and tells no address or master user of it`);
    return { host, port, master };
  }

  async #reboot(): Promise<DBInstance> {
    this.log.info("the restored server is rebooted for its parameters", { instance: this.identifier });
    const command = new RebootDBInstanceCommand({ DBInstanceIdentifier: this.identifier });
    await this.#client.send(command, { abortSignal: this.signal }).catch((error: unknown) => {
      // The same: it is rebooting already.
      if (!isOf(error, "InvalidDBInstanceState")) throw error;
    });
    return this.#until(
      "has its parameters in force",
      ({ DBInstanceStatus: status, DBParameterGroups: groups = [] }) =>
        status === "available" && groups.every((group) => group.ParameterApplyStatus === "in-sync"),
    );
  }

  /** Takes a moment after RDS has said yes: who logs in has to try for a while. */
  async setMasterPassword(MasterUserPassword: string): Promise<void> {
    const { identifier: DBInstanceIdentifier } = this;
    await this.#client.send(
      new ModifyDBInstanceCommand({ DBInstanceIdentifier, MasterUserPassword, ApplyImmediately: true }),
      { abortSignal: this.signal },
    );
  }

  /** Makes room for a second database as large as what is there: RDS enlarges storage while the server works. */
  async makeRoom(usedBytes: number): Promise<void> {
    const { identifier: DBInstanceIdentifier } = this;
    const { AllocatedStorage: has } = (await this.find()) ?? {};
    const AllocatedStorage = storageFor(usedBytes, has);
    if (AllocatedStorage === undefined) return;
    this.log.info("the scratch instance gets room for a second database", { GiB: AllocatedStorage, had: has });
    await this.#client.send(
      new ModifyDBInstanceCommand({ DBInstanceIdentifier, AllocatedStorage, ApplyImmediately: true }),
      { abortSignal: this.signal },
    );
    await this.#until(
      `has ${AllocatedStorage} GiB of storage`,
      ({ DBInstanceStatus: status = "", AllocatedStorage: now = 0 }) =>
        // The server works while RDS optimizes it.
        now >= AllocatedStorage && /^(available|storage-optimization)$/.test(status),
    );
  }

  /** Deletes it. @returns whether there was one */
  async remove(signal = this.signal): Promise<boolean> {
    for (const end = this.#end(); ;) {
      const found = await this.find(signal);
      if (!found) return false;
      if (found.DBInstanceStatus === "deleting") return true;
      const { identifier: DBInstanceIdentifier } = this;
      try {
        await this.#client.send(
          new DeleteDBInstanceCommand({
            DBInstanceIdentifier,
            SkipFinalSnapshot: true,
            DeleteAutomatedBackups: true,
          }),
          { abortSignal: signal },
        );
        return true;
      } catch (error) {
        // Busy with something that it cannot be deleted in the middle of.
        if (!isOf(error, "InvalidDBInstanceState")) throw error;
        if (Date.now() > end) throw this.#inVain("can be deleted", found.DBInstanceStatus ?? "");
        await sleep(this.settings.pollMilliseconds, undefined, { signal });
      }
    }
  }

  async removed(signal = this.signal): Promise<void> {
    const end = this.#end();
    while (await this.find(signal)) {
      if (Date.now() > end) throw this.#inVain("is deleted", "deleting");
      await sleep(this.settings.pollMilliseconds, undefined, { signal });
    }
  }

  async #until(what: string, done: (instance: DBInstance) => boolean): Promise<DBInstance> {
    const [began, end] = [Date.now(), this.#end()];
    let told = "";
    for (;;) {
      const found = await this.find();
      const status = found?.DBInstanceStatus ?? "gone";
      if (!found) throw new Failure(`${this.identifier} is gone: somebody else has deleted it`);
      if (isBroken(status))
        throw new Failure(`RDS could not restore ${this.identifier}: ${status}`, await this.#events());
      if (done(found)) return found;
      if (Date.now() > end) throw this.#inVain(what, status);
      // Minutes pass: who watches sees that it goes on.
      const minutes = Math.floor((Date.now() - began) / 60_000);
      if (told !== `${status} ${minutes}`)
        this.log.info(`waiting until ${this.identifier} ${what}`, { status, minutes });
      told = `${status} ${minutes}`;
      await sleep(this.settings.pollMilliseconds, undefined, { signal: this.signal });
    }
  }

  readonly #end = () => Date.now() + 1000 * this.settings.waitSeconds;

  readonly #inVain = (what: string, status: string) =>
    new Failure(
      `waited ${this.settings.waitSeconds} s until ${this.identifier} ${what}, in vain: RDS says "${status}"`,
    );

  /** Why a restore failed is told in the instance's events. */
  async #events(): Promise<string[]> {
    const { Events = [] } = await this.#client.send(
      new DescribeEventsCommand({ SourceIdentifier: this.identifier, SourceType: "db-instance", Duration: 1440 }),
      { abortSignal: this.signal },
    );
    return Events.map(({ Message = "" }) => Message);
  }
}
