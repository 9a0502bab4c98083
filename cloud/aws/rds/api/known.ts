/** The instances that RDS' API knows of: a file each, written by whoever makes or changes one. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Properties } from "../../../handler";
import { makeDirectory, readIfThere, writeWhole } from "../../../host/files";
import type { ServiceUser } from "../../../host/user";
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
}

const instances = (rds: string) => join(rds, "instances");
const fileOf = (rds: string, { region, identifier }: { region: string; identifier: string }) =>
  join(instances(rds), `${region}.${identifier}.json`);

export function announce(root: string, server: Server, outputs: Properties, owner: ServiceUser | undefined): void {
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
  };
  makeDirectory(rds, owner);
  makeDirectory(instances(rds), owner);
  writeWhole(fileOf(rds, known), JSON.stringify(known), { owner });
}

export function forget(root: string, { region, identifier }: Properties): void {
  rmSync(fileOf(rdsRoot(root), { region: String(region), identifier: String(identifier) }), { force: true });
}

/** @param rds the API's own directory */
export function find(rds: string, region: string, identifier: string): Known | undefined {
  const content = /^[a-z][a-z0-9-]*$/.test(identifier) ? readIfThere(fileOf(rds, { region, identifier })) : undefined;
  return content === undefined ? undefined : (JSON.parse(content) as Known);
}

/** Those of a region. */
export function list(rds: string, region: string): Known[] {
  makeDirectory(instances(rds), undefined);
  const files = readdirSync(instances(rds)).filter((name) => name.startsWith(`${region}.`));
  return files.map((name) => JSON.parse(readFileSync(join(instances(rds), name), "utf8")) as Known);
}
