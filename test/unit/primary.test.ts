import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { describe, expect, test } from "vitest";
import { expectedSettings } from "../../components/parameters/parameter";
import { passwordVersion } from "../../components/database/passwordVersion";
import { Primary, type PrimaryArgs } from "../../components/database/primary";
import { primaryParameters } from "../../components/parameters/primaryParameters";
import { record, unknown, valueOf, type Options } from "./mocks";

const args: Omit<PrimaryArgs, "ownerPassword"> = {
  region: "eu-central-1",
  postgresVersion: "17",
  instanceClass: "db.r7g.large",
  storageGib: 100,
  maxStorageGib: 1000,
  multiAz: true,
  maxConnections: 500,
  backupRetentionDays: 35,
  deletionProtection: true,
  vpcId: "vpc-cluster",
  keepAfterDestroy: true,
  applyImmediately: true,
  logRetentionDays: 731,
  engineLifecycleSupport: "open-source-rds-extended-support-disabled",
  subnetIds: ["subnet-a", "subnet-b"],
  securityGroupId: "sg-primary",
  tags: { team: "platform" },
};

const build = (changes: Partial<PrimaryArgs> = {}, options?: Options) =>
  record(() => {
    const { result } = new random.RandomPassword("owner", { length: 32 });
    return new Primary("p", { ...args, ownerPassword: result, ...changes });
  }, options);

const instance = "aws:rds/instance:Instance";

describe("the primary", () => {
  test("bounds the role it makes where a boundary is named, and else sets none", async () => {
    const permissionsBoundaryArn = "arn:aws:iam::123456789012:policy/boundary";
    const role = async (changes: Partial<PrimaryArgs>) => (await build(changes)).one("aws:iam/role:Role").inputs;
    expect((await role({ permissionsBoundaryArn })).permissionsBoundary).toBe(permissionsBoundaryArn);
    expect(await role({})).not.toHaveProperty("permissionsBoundary");
  });

  test("is exactly these resources", async () => {
    const world = await build();
    expect(world.census).toEqual([
      "authensor:database:Primary p",
      "aws:cloudwatch/logGroup:LogGroup p-postgresql",
      "aws:cloudwatch/logGroup:LogGroup p-upgrade",
      "aws:iam/role:Role p-monitoring",
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment p-monitoring",
      "aws:kms/alias:Alias p-key",
      "aws:kms/key:Key p-key",
      "aws:rds/instance:Instance p",
      "aws:rds/parameterGroup:ParameterGroup p",
      "aws:rds/subnetGroup:SubnetGroup p",
      "random:index/randomId:RandomId p",
      "random:index/randomPassword:RandomPassword owner",
    ]);
    const children = world.resources.filter((r) => r.custom && r.name !== "owner");
    for (const child of children) expect(child.parent).toBe("p");
    const regional = children.filter((r) => r.type.startsWith("aws:") && !r.type.startsWith("aws:iam/"));
    for (const child of regional) expect(child.inputs.region, child.name).toBe("eu-central-1");
  });

  test("is exactly this instance", async () => {
    const world = await build();
    const key = world.arnOf("aws:kms/key:Key");
    expect(world.one(instance).inputs).toEqual({
      region: "eu-central-1",
      identifier: "p-0a1b2c3d",
      engine: "postgres",
      engineVersion: "17",
      instanceClass: "db.r7g.large",
      dbName: "authensor",
      username: "authensor_owner",
      passwordWo: "Generated32Forowner",
      passwordWoVersion: await valueOf(passwordVersion("Generated32Forowner")),
      storageType: "gp3",
      allocatedStorage: 100,
      maxAllocatedStorage: 1000,
      storageEncrypted: true,
      kmsKeyId: key,
      multiAz: true,
      dbSubnetGroupName: "p-0a1b2c3d-vpc-cluster",
      vpcSecurityGroupIds: ["sg-primary"],
      publiclyAccessible: false,
      caCertIdentifier: "rds-ca-rsa2048-g1",
      iamDatabaseAuthenticationEnabled: false,
      parameterGroupName: "p-abc1234",
      applyImmediately: true,
      autoMinorVersionUpgrade: true,
      allowMajorVersionUpgrade: false,
      backupRetentionPeriod: 35,
      backupWindow: "01:00-02:00",
      maintenanceWindow: "sun:04:30-sun:05:30",
      copyTagsToSnapshot: true,
      deleteAutomatedBackups: false,
      engineLifecycleSupport: "open-source-rds-extended-support-disabled",
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: "p-final-0a1b2c3d",
      deletionProtection: true,
      monitoringInterval: 60,
      monitoringRoleArn: world.arnOf("aws:iam/role:Role"),
      databaseInsightsMode: "standard",
      performanceInsightsEnabled: true,
      performanceInsightsRetentionPeriod: 7,
      performanceInsightsKmsKeyId: key,
      enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
      tags: { team: "platform" },
    });
  });

  test("is told its password write-only, and holds it nowhere in plain text", async () => {
    const world = await build();
    expect(world.one(instance).secrets).toEqual(["passwordWo"]);
    world.expectNothingSecretInPlain();
    expect((await build({ ownerPassword: "typed by hand" })).one(instance).secrets).toEqual(["passwordWo"]);
  });

  test("has a parameter group of its major version with the whole tuning", async () => {
    const world = await build();
    expect(world.one("aws:rds/parameterGroup:ParameterGroup").inputs).toMatchObject({
      family: "postgres17",
      parameters: primaryParameters(args).map(({ name, value, applyMethod }) => ({ name, value, applyMethod })),
    });
    expect(world.result.expectedSettings).toEqual(expectedSettings(primaryParameters(args)));
  });

  test("stands in the subnets it was given", async () => {
    const world = await build();
    expect(world.one("aws:rds/subnetGroup:SubnetGroup").inputs.subnetIds).toEqual(["subnet-a", "subnet-b"]);
  });

  test("is encrypted under a key of its own that rotates", async () => {
    const world = await build();
    expect(world.one("aws:kms/key:Key").inputs).toMatchObject({ enableKeyRotation: true, deletionWindowInDays: 30 });
    expect(world.one("aws:kms/alias:Alias").inputs).toMatchObject({
      region: "eu-central-1",
      targetKeyId: world.one("aws:kms/key:Key").computed.keyId,
    });
  });

  test("has encrypted log groups with an end to their retention before RDS could make them without either", async () => {
    const world = await build();
    const groups = world.all("aws:cloudwatch/logGroup:LogGroup");
    const key = world.arnOf("aws:kms/key:Key");
    expect(groups.map(({ inputs }) => [inputs.name, inputs.retentionInDays, inputs.kmsKeyId])).toEqual([
      ["/aws/rds/instance/p-0a1b2c3d/postgresql", 731, key],
      ["/aws/rds/instance/p-0a1b2c3d/upgrade", 731, key],
    ]);
    for (const group of groups) expect(world.one(instance).dependencies).toContain(group.urn);
  });

  test("is watched by a role that only RDS' monitoring may take", async () => {
    const world = await build();
    expect(JSON.parse(String(world.one("aws:iam/role:Role").inputs.assumeRolePolicy))).toMatchObject({
      Statement: [{ Principal: { Service: "monitoring.rds.amazonaws.com" }, Action: "sts:AssumeRole" }],
    });
    expect(world.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs).toEqual({
      role: "p-monitoring-abc1234",
      policyArn: "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
    });
  });

  test("is made once that role may write: before, RDS would leave monitoring off, in silence", async () => {
    const world = await build();
    const attachment = world.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").urn;
    expect(world.one(instance).dependencies).toContain(attachment);
  });

  // RDS refuses 3000 IOPS, which the provider remembers of a smaller size, from 400 GiB on, and any below (User Guide, gp3 storage).
  test.each([
    [20, {}],
    [399, {}],
    [400, { iops: 12_000, storageThroughput: 500 }],
    [65_536, { iops: 12_000, storageThroughput: 500 }],
  ])(
    "of %d GiB is told RDS' own speed for that size where RDS lets it be told, none below",
    async (storageGib, speed) => {
      const { inputs } = (await build({ storageGib })).one(instance);
      const { iops, storageThroughput } = inputs;
      expect(inputs.allocatedStorage).toBe(storageGib);
      expect(JSON.parse(JSON.stringify({ iops, storageThroughput }))).toEqual(speed);
    },
  );

  test.each([
    ["us-gov-west-1", "arn:aws-us-gov:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"],
    ["cn-north-1", "arn:aws-cn:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"],
  ])("names AWS' policy as the partition of %s does", async (region, policyArn) => {
    const world = await build({ region });
    expect(world.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs.policyArn).toBe(policyArn);
  });

  test("cannot be deleted by Pulumi or RDS while it is protected, and can once it is not", async () => {
    const kept = (await build()).one(instance);
    expect([kept.protect, kept.inputs.deletionProtection]).toEqual([true, true]);
    const free = (await build({ deletionProtection: false })).one(instance);
    expect([free.protect, free.inputs.deletionProtection]).toEqual([false, false]);
  });

  test("leaves its automated backups in any case: they end by themselves", async () => {
    const thrownAway = await build({ deletionProtection: false, keepAfterDestroy: false });
    for (const world of [await build(), thrownAway])
      expect(world.one(instance).inputs.deleteAutomatedBackups).toBe(false);
  });

  test("leaves a final snapshot, its key and its logs where it is told to, protected or not", async () => {
    for (const deletionProtection of [true, false]) {
      const world = await build({ deletionProtection });
      expect(world.one(instance).inputs).toMatchObject({
        skipFinalSnapshot: false,
        finalSnapshotIdentifier: "p-final-0a1b2c3d",
      });
      expect(world.one("aws:kms/key:Key")).toMatchObject({ protect: deletionProtection, retainOnDelete: true });
      for (const group of world.all("aws:cloudwatch/logGroup:LogGroup")) expect(group.retainOnDelete).toBe(true);
    }
  });

  test("leaves nothing that lasts where it is told so", async () => {
    const world = await build({ deletionProtection: false, keepAfterDestroy: false });
    expect(world.one(instance).inputs).toMatchObject({ skipFinalSnapshot: true });
    expect(world.one(instance).inputs).not.toHaveProperty("finalSnapshotIdentifier");
    for (const resource of world.resources)
      expect([resource.name, resource.retainOnDelete, resource.protect]).toEqual([resource.name, false, false]);
  });

  test("lets CloudWatch Logs use its key for its own log groups, and for no other's", async () => {
    const { policy } = (await build()).one("aws:kms/key:Key").inputs as { policy: string };
    expect(JSON.parse(policy)).toMatchObject({
      Statement: [
        { Principal: { AWS: "arn:aws:iam::000000000000:root" }, Action: "kms:*" },
        {
          Principal: { Service: "logs.eu-central-1.amazonaws.com" },
          Condition: {
            ArnLike: {
              "kms:EncryptionContext:aws:logs:arn":
                "arn:aws:logs:eu-central-1:000000000000:log-group:/aws/rds/instance/p-*/*",
            },
          },
        },
      ],
    });
  });

  test("takes a key that is given for all that it encrypts, and makes none", async () => {
    const kmsKeyArn = "arn:aws:kms:eu-central-1:123456789012:key/given";
    const world = await build({ kmsKeyArn });
    expect(world.resources.filter(({ type }) => type.startsWith("aws:kms/"))).toEqual([]);
    expect(world.one(instance).inputs).toMatchObject({ kmsKeyId: kmsKeyArn, performanceInsightsKmsKeyId: kmsKeyArn });
    for (const { inputs } of world.all("aws:cloudwatch/logGroup:LogGroup")) expect(inputs.kmsKeyId).toBe(kmsKeyArn);
  });

  test("leaves what interrupts to the maintenance window where it is told to", async () => {
    expect((await build({ applyImmediately: false })).one(instance).inputs.applyImmediately).toBe(false);
  });

  test("does not look for a change of extended support, or of its source, which RDS takes only when the server is made", async () => {
    const once = ["engineLifecycleSupport", "restoreToPointInTime", "snapshotIdentifier"];
    expect((await build()).one(instance).ignoreChanges).toEqual(once);
  });

  test("is what a transform makes of it, arguments and options", async () => {
    const world = await build({
      transform: {
        instance: (given, opts) => ({
          args: { ...given, storageType: "io2", iops: 3000 },
          opts: { ...opts, protect: false, ignoreChanges: ["tags"] },
        }),
      },
    });
    expect(world.one(instance)).toMatchObject({
      protect: false,
      ignoreChanges: ["tags"],
      inputs: { storageType: "io2", iops: 3000, engine: "postgres", passwordWoVersion: expect.any(Number) as number },
    });
    expect(world.one(instance).secrets).toEqual(["passwordWo"]);
  });

  test("keeps its options where a transform returns arguments alone", async () => {
    const world = await build({ transform: { instance: (given) => ({ args: { ...given, multiAz: false } }) } });
    expect(world.one(instance)).toMatchObject({ protect: true, parent: "p", inputs: { multiAz: false } });
  });

  test("gets a new name with a new key: both replace it", async () => {
    const world = await build();
    expect(world.one("random:index/randomId:RandomId").inputs).toEqual({
      byteLength: 4,
      keepers: { key: world.arnOf("aws:kms/key:Key") },
    });
  });

  test("hands on where it can be reached", async () => {
    const { result } = await build();
    expect(await valueOf(pulumi.all([result.address, result.port, result.arn]))).toEqual([
      "p-0a1b2c3d.xyz.eu-central-1.rds.amazonaws.com",
      5432,
      "arn:aws:rds:eu-central-1:000000000000:db:p-0a1b2c3d",
    ]);
  });

  test("can be previewed before anything of it exists", async () => {
    const world = await build({}, { preview: true });
    expect(world.census).toHaveLength(12);
    expect(world.one(instance).inputs).toMatchObject({ identifier: unknown, engineVersion: "17", multiAz: true });
  });
});
