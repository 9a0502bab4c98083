/** What another block of addresses for the replica's VPC does to a stack that exists: run against the local cloud, without servers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { handlerOf, invokes } from "../../cloud/handlers";
import { Engine } from "../../cloud/engine/engine";
import { Monitor } from "../../cloud/engine/monitor";
import { State } from "../../cloud/engine/state";
import type { Handler } from "../../cloud/handler";
import { silent } from "../../cloud/progress";
import { lookUpCluster, lookUpZones } from "../../components/network/clusterNetwork";
import { Network } from "../../components/network/network";
import { Replica } from "../../components/database/replica";
import { substitutes } from "../../local/substitutes";

let directory: string;
let steps: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "replica-move-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const instance = "aws:rds/instance:Instance";

/** RDS' rules on what can be changed, without a server behind them. */
const noServer: Handler = {
  replaceOnChange: handlerOf(instance)!.replaceOnChange!,
  create: (inputs) => {
    steps.push("instance created");
    return Promise.resolve({ id: "db-1", outputs: { ...inputs, address: "r.example", port: 5432, arn: "arn" } });
  },
  update: (current, inputs) => {
    steps.push("instance updated");
    return Promise.resolve({ ...current.outputs, ...inputs });
  },
  delete: () => Promise.resolve(void steps.push("instance deleted")),
};

async function up(
  changes: { replicaCidr?: string; zones?: number; deletionProtection?: boolean } = {},
): Promise<Engine> {
  steps = [];
  const { replicaCidr = "10.90.0.0/20", zones = 2, deletionProtection = false } = changes;
  const state = State.load(join(directory, "state.json"), join(directory, "data"));
  const engine = new Engine({
    state,
    handlerOf: (type) => (type === instance ? noServer : handlerOf(type)),
    progress: { ...silent, begin: () => (line) => void (line && steps.push(line)) },
    signal: new AbortController().signal,
    substitutes,
  });
  const monitor = new Monitor({ project: "p", stack: "s", invokes, register: (wanted) => engine.register(wanted) });
  monitor.install();
  const program = runtime.runInPulumiStack(async () => {
    const [primaryRegion, replicaRegion] = ["eu-central-1", "eu-west-1"];
    const cluster = await lookUpCluster({ name: "platform", region: primaryRegion });
    const replicaZones = await lookUpZones(replicaRegion, zones);
    const { replica } = new Network("n", {
      cluster,
      primaryRegion,
      replica: { region: replicaRegion, cidr: replicaCidr, zones: replicaZones },
    });
    new Replica("r", {
      region: replicaRegion,
      role: { sourceArn: "arn:aws:rds:eu-central-1:000000000000:db:p" },
      postgresVersion: "17",
      instanceClass: "db.t4g.medium",
      storageGib: 20,
      maxStorageGib: 100,
      maxConnections: 200,
      deletionProtection,
      keepAfterDestroy: deletionProtection,
      applyImmediately: true,
      logRetentionDays: 731,
      vpcId: replica!.vpcId,
      subnetIds: replica!.subnetIds,
      securityGroupId: replica!.securityGroup.id,
      monitoringRoleArn: "arn:aws:iam::000000000000:role/m",
    });
  });
  try {
    await Promise.race([program.then(() => runtime.disconnect()), monitor.failed]);
    await engine.finish();
    return engine;
  } finally {
    // After a failure the other resources are still at work, and write the state into the directory that the test deletes.
    await monitor.idle();
  }
}

/** "rds.Instance r  replaced (…)" → "rds.Instance r" */
const replaced = () => steps.flatMap((step) => /^(\S+ \S+) {2}replaced/.exec(step)?.[1] ?? []);

describe("another replicaCidr on a stack that exists", () => {
  test("replaces the VPC, what is in it and the replica; nothing of it is updated in place, which AWS would refuse halfway", async () => {
    await up();
    await up({ replicaCidr: "10.91.0.0/20" });
    expect(replaced()).toEqual(
      expect.arrayContaining([
        "ec2.Vpc n-replica",
        "ec2.Subnet n-replica-1",
        "ec2.SecurityGroup n-replica",
        "ec2.VpcPeeringConnection n-replica-peering",
        "rds.SubnetGroup r",
        "rds.Instance r",
      ]),
    );
    expect(steps.filter((step) => step.includes("updated"))).toEqual([]);
  });

  test("ends the old replica before it makes the new one: RDS has all replicas of a region in one VPC", async () => {
    await up();
    await up({ replicaCidr: "10.91.0.0/20" });
    expect(steps.filter((step) => step.startsWith("instance "))).toEqual(["instance deleted", "instance created"]);
  });

  test("touches neither the replica's key nor its name", async () => {
    await up();
    await up({ replicaCidr: "10.91.0.0/20" });
    expect(replaced().filter((what) => /kms|random|cloudwatch|rds\.ParameterGroup/.test(what))).toEqual([]);
  });

  test("is refused while the replica is protected, before the replica is touched", async () => {
    await up({ deletionProtection: true });
    await expect(up({ replicaCidr: "10.91.0.0/20", deletionProtection: true })).rejects.toThrow(
      "rds.Instance r: dbSubnetGroupName, vpcSecurityGroupIds.0 cannot be changed in place, and it is protected; it was not replaced",
    );
    expect(steps.filter((step) => step.startsWith("instance "))).toEqual([]);
  });
});

describe("another zone for the replica's VPC", () => {
  test("is added to the subnet group as it is: nothing is replaced", async () => {
    await up();
    const engine = await up({ zones: 3 });
    expect(replaced()).toEqual([]);
    expect(steps.filter((step) => step.includes("updated"))).toEqual([
      expect.stringMatching(/^rds\.SubnetGroup r {2}updated/),
    ]);
    expect(engine.counts).toMatchObject({ created: 2, updated: 1, deleted: 0 });
  });
});
