/**
 * Who may do what: by the policies of who asks, on each resource that an operation is about. Which those are, and what conditions know of them:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html
 */
import { arn, AwsError } from "../../account";
import { effectOf } from "../../iam/policy";
import type { Call, Rds } from "./call";
import { find } from "./known";
import { tagsOf } from "./tags";

interface Asked {
  action: string;
  resources: string[];
  keys: Record<string, string | undefined>;
}

const tagKeys = (prefix: string, tags: Record<string, string>) =>
  Object.fromEntries(Object.entries(tags).map(([key, value]) => [`${prefix}/${key}`, value]));

/** What an operation needs to be allowed; an operation that is not here is its own name on everything. */
function askedFor(action: string, { region, parameters }: Call, rds: Rds): Asked[] {
  const of = (kind: string, name = "*") => arn("rds", region, `${kind}:${name}`);
  const identifier = parameters.get("DBInstanceIdentifier");
  switch (action) {
    case "DescribeDBInstances":
      return [{ action, resources: [of("db", identifier)], keys: {} }];
    case "DescribeDBInstanceAutomatedBackups":
      return [{ action, resources: [parameters.get("DBInstanceAutomatedBackupsArn") ?? of("auto-backup")], keys: {} }];
    case "ModifyDBInstance":
    case "RebootDBInstance":
    case "DeleteDBInstance": {
      const tags = find(rds.directory, region, identifier ?? "")?.tags ?? {};
      return [{ action, resources: [of("db", identifier)], keys: tagKeys("aws:ResourceTag", tags) }];
    }
    case "RestoreDBInstanceToPointInTime": {
      const target = of("db", parameters.get("TargetDBInstanceIdentifier")?.toLowerCase());
      const backup = parameters.get("SourceDBInstanceAutomatedBackupsArn");
      const [group, subnets] = [parameters.get("DBParameterGroupName"), parameters.get("DBSubnetGroupName")];
      const keys = tagKeys("aws:RequestTag", tagsOf(parameters));
      const resources = [
        target,
        ...(backup === undefined ? [] : [backup]),
        of("pg", group ?? "default"),
        of("og", "default"),
        of("subgrp", subnets ?? "default"),
      ];
      return [
        { action, resources, keys: { ...keys, "rds:PubliclyAccessible": parameters.get("PubliclyAccessible") } },
        ...(Object.keys(keys).length > 0 ? [{ action: "AddTagsToResource", resources: [target], keys }] : []),
      ];
    }
    default:
      return [{ action, resources: ["*"], keys: {} }];
  }
}

/** @throws where the holder of the access key may not */
export function demand(action: string, call: Call, rds: Rds): void {
  if (rds.identityOf === undefined) return;
  const identity = rds.identityOf(call.accessKeyId);
  if (identity === undefined)
    throw new AwsError("InvalidClientTokenId", "The security token included in the request is invalid.");
  const { principal, statements } = identity;
  if (statements === undefined) return;
  for (const { action: name, resources, keys } of askedFor(action, call, rds))
    for (const resource of resources) {
      const asked = { action: `rds:${name}`, resource, principal, keys };
      if (effectOf(statements, asked) !== "Allow")
        throw new AwsError(
          "AccessDenied",
          `User: ${principal} is not authorized to perform: rds:${name} on resource: ${resource}`,
        );
    }
}
