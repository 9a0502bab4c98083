import { describe, expect, test } from "vitest";
import { replicaParameters } from "../../components/parameters/replicaParameters";
import { Replica, type ReplicaArgs } from "../../components/database/replica";
import { record } from "./mocks";

const args: ReplicaArgs = {
  region: "eu-west-1",
  role: { sourceArn: "arn:aws:rds:eu-central-1:123456789012:db:p-1" },
  postgresVersion: "17",
  instanceClass: "db.r7g.large",
  storageGib: 100,
  maxStorageGib: 1000,
  maxConnections: 500,
  monitoringRoleArn: "arn:aws:iam::123456789012:role/monitoring",
  deletionProtection: true,
  vpcId: "vpc-replica",
  keepAfterDestroy: true,
  applyImmediately: true,
  logRetentionDays: 731,
  subnetIds: ["subnet-x", "subnet-y"],
  securityGroupId: "sg-replica",
  tags: { team: "platform" },
};

const build = (changes: Partial<ReplicaArgs> = {}) => record(() => new Replica("r", { ...args, ...changes }));

const instance = "aws:rds/instance:Instance";

describe("the replica", () => {
  test("is exactly these resources, each of them in its own region", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:database:Replica r",
      "aws:cloudwatch/logGroup:LogGroup r-postgresql",
      "aws:cloudwatch/logGroup:LogGroup r-upgrade",
      "aws:kms/alias:Alias r-key",
      "aws:kms/key:Key r-key",
      "aws:rds/instance:Instance r",
      "aws:rds/parameterGroup:ParameterGroup r",
      "aws:rds/subnetGroup:SubnetGroup r",
      "random:index/randomId:RandomId r",
    ]);
    for (const child of world.resources.filter((r) => r.type.startsWith("aws:"))) {
      expect(child.inputs.region, `${child.type} ${child.name}`).toBe("eu-west-1");
    }
  });

  test("is exactly this instance: made from an ARN, under a key of its own region", async () => {
    const world = await build();
    const key = world.arnOf("aws:kms/key:Key");
    expect(world.one(instance).inputs).toEqual({
      region: "eu-west-1",
      identifier: "r-0a1b2c3d",
      replicateSourceDb: "arn:aws:rds:eu-central-1:123456789012:db:p-1",
      instanceClass: "db.r7g.large",
      storageType: "gp3",
      allocatedStorage: 100,
      maxAllocatedStorage: 1000,
      storageEncrypted: true,
      kmsKeyId: key,
      dbSubnetGroupName: "r-0a1b2c3d-vpc-replica",
      vpcSecurityGroupIds: ["sg-replica"],
      publiclyAccessible: false,
      caCertIdentifier: "rds-ca-rsa2048-g1",
      iamDatabaseAuthenticationEnabled: false,
      parameterGroupName: "r-abc1234",
      applyImmediately: true,
      autoMinorVersionUpgrade: true,
      allowMajorVersionUpgrade: false,
      backupRetentionPeriod: 1,
      backupWindow: "02:30-03:30",
      maintenanceWindow: "sat:04:30-sat:05:30",
      copyTagsToSnapshot: true,
      deleteAutomatedBackups: false,
      skipFinalSnapshot: true,
      deletionProtection: true,
      monitoringInterval: 60,
      monitoringRoleArn: "arn:aws:iam::123456789012:role/monitoring",
      databaseInsightsMode: "standard",
      performanceInsightsEnabled: true,
      performanceInsightsRetentionPeriod: 7,
      performanceInsightsKmsKeyId: key,
      enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
      tags: { team: "platform" },
    });
  });

  test.each([
    "username",
    "password",
    "passwordWo",
    "passwordWoVersion",
    "manageMasterUserPassword",
    "dbName",
    "engine",
    "engineVersion",
    "engineLifecycleSupport",
    "finalSnapshotIdentifier",
  ])("leaves %s unset: RDS takes it from the source, or refuses it on a replica", async (property) => {
    const world = await build();
    expect(world.one(instance).inputs).not.toHaveProperty(property);
  });

  test("grows with the primary's storage, at the speed that RDS gives to that size", async () => {
    const { inputs } = (await build({ storageGib: 500 })).one(instance);
    expect(inputs).toMatchObject({ allocatedStorage: 500, iops: 12_000, storageThroughput: 500 });
  });

  test("carries no secret", async () => {
    const world = await build();
    for (const resource of world.resources) expect(resource.secrets).toEqual([]);
  });

  test("has a parameter group of its own, no smaller than the primary's where a standby must not be", async () => {
    const world = await build();
    const group = world.one("aws:rds/parameterGroup:ParameterGroup");
    const parameters = replicaParameters(args).map(({ name, value, applyMethod }) => ({ name, value, applyMethod }));
    expect(group.inputs).toMatchObject({ family: "postgres17", parameters });
    expect(parameters).toContainEqual({
      name: "max_worker_processes",
      value: "32",
      applyMethod: "pending-reboot",
    });
  });

  test("keeps its own backups as long as it is told to", async () => {
    expect((await build({ backupRetentionDays: 7 })).one(instance).inputs.backupRetentionPeriod).toBe(7);
    expect((await build({ backupRetentionDays: undefined })).one(instance).inputs.backupRetentionPeriod).toBe(1);
  });

  test("cannot be deleted while it is protected, and can once it is not", async () => {
    expect((await build()).one(instance)).toMatchObject({ protect: true, inputs: { deletionProtection: true } });
    expect((await build({ deletionProtection: false })).one(instance)).toMatchObject({
      protect: false,
      inputs: { deletionProtection: false },
    });
  });

  test("is what a transform makes of it", async () => {
    const world = await build({
      transform: { instance: (given, opts) => ({ args: { ...given, multiAz: true }, opts }) },
    });
    expect(world.one(instance)).toMatchObject({
      protect: true,
      inputs: { multiAz: true, instanceClass: "db.r7g.large" },
    });
  });

  test("leaves nothing that lasts where it is told so", async () => {
    const world = await build({ deletionProtection: false, keepAfterDestroy: false });
    for (const resource of world.resources)
      expect([resource.name, resource.retainOnDelete, resource.protect]).toEqual([resource.name, false, false]);
  });

  test("is given hours for its first copy across regions", async () => {
    expect((await build()).one(instance).customTimeouts.create).toBe("4h");
  });
});
