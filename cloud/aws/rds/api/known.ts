/** The instances that RDS' API knows of: a file each, written by whoever makes or changes one. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Properties } from "../../../handler";
import { makeDirectory, readIfThere, writeWhole } from "../../../host/files";
import type { ServiceUser } from "../../../host/user";
import { number } from "../../account";
import type { Server } from "../server";
import { rdsRoot } from "./service";

export interface Known {
  identifier: string;
  region: string;
  arn: string;
  instanceClass: string;
  engineVersion: string;
  multiAz: boolean;
  parameterGroup: string;
  port: number;
  /** Where its server is, and the major version of the programs that run it. */
  directory: string;
  major: number;
  memoryGib: number;
  /** What it was given; undefined of a restored one, which has what there is. */
  storageGib?: number | undefined;
  tags: Record<string, string>;
  /** Of an instance that this API made; the others are the program's. */
  restored?: Restored;
}

export interface Restored {
  status: "creating" | "available" | "modifying" | "deleting" | "restore-error";
  /** The automated backup, and the moment: ISO 8601, or the newest there is. */
  from: { region: string; id: string };
  moment: string;
  master: string;
  deletionProtection: boolean;
  /** What became of it, the newest last. */
  events: { at: string; message: string }[];
}

const instances = (rds: string) => join(rds, "instances");
const fileOf = (rds: string, { region, identifier }: { region: string; identifier: string }) =>
  join(instances(rds), `${region}.${identifier}.json`);

export interface Announced {
  server: Server;
  outputs: Properties;
  memoryGib: number;
}

export function announce(
  root: string,
  { server, outputs, memoryGib }: Announced,
  owner: ServiceUser | undefined,
): void {
  const rds = rdsRoot(root);
  const known: Known = {
    identifier: server.name,
    region: String(outputs["region"]),
    arn: String(outputs["arn"]),
    instanceClass: String(outputs["instanceClass"]),
    engineVersion: String(outputs["engineVersion"]),
    multiAz: outputs["multiAz"] === true,
    parameterGroup: String(outputs["parameterGroupName"]),
    port: Number(outputs["port"]),
    directory: server.directory,
    major: server.binaries.major,
    memoryGib,
    storageGib: number(outputs["allocatedStorage"]),
    tags: outputs["tagsAll"] as Record<string, string>,
  };
  write(rds, known, owner);
}

export function write(rds: string, known: Known, owner?: ServiceUser): void {
  makeDirectory(rds, owner);
  makeDirectory(instances(rds), owner);
  writeWhole(fileOf(rds, known), JSON.stringify(known), { owner });
}

/** @param rds the API's own directory */
export function forget(rds: string, which: { region: string; identifier: string }): void {
  rmSync(fileOf(rds, which), { force: true });
}

/** @param rds the API's own directory */
export function find(rds: string, region: string, identifier: string): Known | undefined {
  const content = /^[a-z][a-z0-9-]*$/.test(identifier) ? readIfThere(fileOf(rds, { region, identifier })) : undefined;
  return content === undefined ? undefined : (JSON.parse(content) as Known);
}

/** Those of a region, or of all. */
export function list(rds: string, region?: string): Known[] {
  const names = existsSync(instances(rds)) ? readdirSync(instances(rds)) : [];
  const files = names.filter((name) => name.endsWith(".json") && name.startsWith(region ? `${region}.` : ""));
  return files.map((name) => JSON.parse(readFileSync(join(instances(rds), name), "utf8")) as Known);
}
