/** What local RDS refuses and what becomes of parameters: no server needed, only PostgreSQL's own list of parameters. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { handlers } from "../../cloud/aws";
import { differences, parametersFile, valuesIn } from "../../cloud/aws/rds/configuration";
import { evaluateFormula } from "../../cloud/aws/rds/formulas";
import { settingsFor } from "../../cloud/aws/rds/lookup";
import { belowSource, settingsOf, type Parameter } from "../../cloud/aws/rds/parameters";
import { Server } from "../../cloud/aws/rds/server";
import { checkIdentifier, checkInstance } from "../../cloud/aws/rds/validate";
import type { Context, Properties, Resource } from "../../cloud/handler";
import { substitutes } from "../../local/substitutes";

const scratch = mkdtempSync(join(tmpdir(), "rds-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const [eu, us] = ["eu-central-1", "us-east-1"];
const instanceType = "aws:rds/instance:Instance";
const groupType = "aws:rds/parameterGroup:ParameterGroup";

const resource = (type: string, id: string, inputs: Properties, outputs: Properties): Resource => ({
  urn: id,
  type,
  name: id,
  id,
  inputs,
  outputs: { ...inputs, ...outputs },
  dependencies: [],
});

const group = (name: string, region: string, family = "postgres17", parameters: Partial<Parameter>[] = []) =>
  resource(groupType, name, { family, region, parameters }, { name, region });

const key = (region: string) =>
  resource(
    "aws:kms/key:Key",
    `key-${region}`,
    {},
    { region, arn: `arn:aws:kms:${region}:000000000000:key/k-${region}` },
  );

const primaryInputs: Properties = {
  region: eu,
  engine: "postgres",
  engineVersion: "17",
  instanceClass: "db.r7g.large",
  username: "authensor_owner",
  passwordWo: "long-enough-1",
  passwordWoVersion: 1,
  dbName: "authensor",
  allocatedStorage: 100,
  backupRetentionPeriod: 7,
  storageEncrypted: true,
  kmsKeyId: key(eu).outputs.arn,
  parameterGroupName: "eu-group",
  dbSubnetGroupName: "eu-subnets",
  vpcSecurityGroupIds: ["sg-eu"],
  finalSnapshotIdentifier: "last-1a2b",
};

const primary = resource(instanceType, "primary", primaryInputs, {
  identifier: "primary",
  region: eu,
  arn: "arn:aws:rds:eu-central-1:000000000000:db:primary",
});

const replicaInputs: Properties = {
  region: us,
  replicateSourceDb: primary.outputs.arn,
  instanceClass: "db.r7g.large",
  kmsKeyId: key(us).outputs.arn,
  parameterGroupName: "us-group",
  skipFinalSnapshot: true,
};

const world: Resource[] = [
  key(eu),
  key(us),
  group("eu-group", eu),
  group("us-group", us),
  group("old-group", eu, "postgres16"),
  group("small-group", us, "postgres17", [{ name: "max_connections", value: "50", applyMethod: "pending-reboot" }]),
  resource("aws:rds/subnetGroup:SubnetGroup", "eu-subnets", {}, { name: "eu-subnets", region: eu, vpcId: "vpc-eu" }),
  resource("aws:ec2/securityGroup:SecurityGroup", "sg-eu", { vpcId: "vpc-eu" }, { region: eu }),
  resource("aws:ec2/securityGroup:SecurityGroup", "sg-us", { vpcId: "vpc-us" }, { region: us }),
  resource("aws:ec2/securityGroup:SecurityGroup", "sg-other", { vpcId: "vpc-other" }, { region: eu }),
  primary,
];

const among = (resources: Resource[]) => ({
  resources: (type: string) => resources.filter((r) => r.type === type),
  substitutes,
});

const replacing = (changed: Resource) => world.map((r) => (r.id === changed.id ? changed : r));

describe("an instance that RDS takes", () => {
  test("is taken: a primary, a replica in another region, a replica by identifier in the same", () => {
    expect(() => checkInstance(primaryInputs, among(world))).not.toThrow();
    expect(() => checkInstance(replicaInputs, among(world))).not.toThrow();
    const near = {
      ...replicaInputs,
      region: eu,
      replicateSourceDb: "primary",
      kmsKeyId: undefined,
      parameterGroupName: "eu-group",
    };
    expect(() => checkInstance(near, among(world))).not.toThrow();
  });
});

describe("an instance that RDS refuses", () => {
  test.each<[string, Properties, RegExp]>([
    ["an unknown parameter group", { parameterGroupName: "nowhere" }, /DBParameterGroupNotFound.*nowhere/],
    [
      "a parameter group of another region",
      { parameterGroupName: "us-group" },
      /DBParameterGroupNotFound.*it is in us-east-1/,
    ],
    [
      "a parameter group of another version",
      { parameterGroupName: "old-group" },
      /postgres16 can't be used.*postgres17/,
    ],
    ["an unknown subnet group", { dbSubnetGroupName: "nowhere" }, /DBSubnetGroupNotFoundFault.*nowhere/],
    ["a security group of another region", { vpcSecurityGroupIds: ["sg-us"] }, /Invalid security group.*sg-us/],
    ["a security group of another VPC", { vpcSecurityGroupIds: ["sg-other"] }, /different VPCs.*vpc-eu.*vpc-other/],
    ["a key of another region", { kmsKeyId: key(us).outputs.arn }, /KMSKeyNotAccessibleFault.*is of us-east-1/],
    ["a key that does not exist", { kmsKeyId: "arn:aws:kms:eu-central-1:000000000000:key/gone" }, /does not exist/],
    ["a key's id for its ARN", { kmsKeyId: "k-eu" }, /not the ARN of a KMS key/],
    ["a key without encryption", { storageEncrypted: false }, /kmsKeyId needs storageEncrypted/],
    ["no engine", { engine: undefined }, /Invalid DB engine/],
    ["no user", { username: undefined }, /MasterUsername must be provided/],
    ["the service's own user", { username: "rdsadmin" }, /reserved word/],
    ["no password", { passwordWo: undefined, passwordWoVersion: undefined }, /shorter than 8/],
    ["a password with an @", { passwordWo: "p@ssword-1" }, /Only printable ASCII/],
    ["a write-only password without a version", { passwordWoVersion: undefined }, /passwordWo needs passwordWoVersion/],
    ["two passwords", { password: "another-one-1" }, /only one of password/],
    ["no final snapshot", { finalSnapshotIdentifier: undefined }, /finalSnapshotIdentifier is required/],
    ["too little storage", { allocatedStorage: 10 }, /Invalid storage size/],
    ["no room to grow", { maxAllocatedStorage: 100 }, /Max storage size must be greater/],
    ["IOPS on a small gp3 volume", { storageType: "gp3", iops: 12000 }, /IOPS.*less than 400/],
    ["monitoring without a role", { monitoringInterval: 60 }, /MonitoringRoleARN/],
    ["a retention of insights without them", { performanceInsightsRetentionPeriod: 7 }, /performanceInsightsEnabled/],
    ["too many days of backups", { backupRetentionPeriod: 36 }, /between 0 and 35/],
    ["a log it does not have", { enabledCloudwatchLogsExports: ["slowquery"] }, /slowquery/],
  ])("has %s", (_, change, message) => {
    expect(() => checkInstance({ ...primaryInputs, ...change }, among(world))).toThrow(message);
  });

  test.each<[string, Properties, RegExp]>([
    ["a user", { username: "authensor_owner" }, /its source's username/],
    ["a password", { passwordWo: "long-enough-1" }, /its source's passwordWo/],
    ["an engine and a database", { engine: "postgres", dbName: "authensor" }, /dbName, engine/],
    [
      "an identifier for the ARN of a source elsewhere",
      { replicateSourceDb: "primary" },
      /could not be found: primary in us-east-1.*give its ARN/,
    ],
    ["no key of its region", { kmsKeyId: undefined }, /needs a kmsKeyId of us-east-1/],
    ["its source's key", { kmsKeyId: primaryInputs.kmsKeyId }, /is of eu-central-1, the instance of us-east-1/],
    ["its source's parameter group", { parameterGroupName: "eu-group" }, /DBParameterGroupNotFound/],
    [
      "a final snapshot",
      { skipFinalSnapshot: undefined, finalSnapshotIdentifier: "last" },
      /cannot have a final snapshot/,
    ],
    [
      "fewer connections than its source",
      { parameterGroupName: "small-group" },
      /max_connections = 50, its source \d+/,
    ],
    [
      "less memory, and with it fewer connections by default",
      { instanceClass: "db.t4g.micro" },
      /max_connections = 112, its source \d+/,
    ],
  ])("is a replica with %s", (_, change, message) => {
    expect(() => checkInstance({ ...replicaInputs, ...change }, among(world))).toThrow(message);
  });

  test("is a replica of a source without backups", () => {
    const source = { ...primary, inputs: { ...primaryInputs, backupRetentionPeriod: 0 } };
    expect(() => checkInstance(replicaInputs, among(replacing(source)))).toThrow(/Automated backups are not enabled/);
  });

  test("is a second one of the same name in a region", () => {
    expect(() => checkIdentifier("primary", eu, among(world))).toThrow(/DBInstanceAlreadyExists/);
    expect(() => checkIdentifier("primary", us, among(world))).not.toThrow();
    expect(() => checkIdentifier("under_score", us, among(world))).toThrow(/not a valid identifier/);
  });

  test.each<[string, Properties, RegExp]>([
    ["its storage", { allocatedStorage: 50 }, /storage cannot shrink/],
    ["its version without leave", { engineVersion: "18", parameterGroupName: undefined }, /AllowMajorVersionUpgrade/],
    ["its version downwards", { engineVersion: "16", parameterGroupName: "old-group" }, /downgrade/],
    ["its database's name", { dbName: "other" }, /dbName cannot be changed from authensor to other/],
    [
      "to a replica",
      { ...replicaInputs, region: eu, replicateSourceDb: "primary", username: undefined },
      /its source's|cannot become a replica/,
    ],
  ])("changes %s", (_, change, message) => {
    expect(() => checkInstance({ ...primaryInputs, ...change }, among(world), primary)).toThrow(message);
  });
});

const make = (parameters: Partial<Parameter>[], family = "postgres17") => {
  const log: string[] = [];
  const context = {
    physicalName: "group-1a2b3c4",
    directory: scratch,
    resources: () => [],
    log: (line: string) => log.push(line),
  };
  const created = handlers[groupType]?.create({ family, region: eu, parameters }, context as unknown as Context);
  return { created, log };
};

const refusal = (parameters: Partial<Parameter>[], family?: string) => {
  try {
    make(parameters, family);
  } catch (error) {
    return (error as Error).message;
  }
  return "taken";
};

describe("a parameter group", () => {
  test.each<[string, Partial<Parameter>[], string | RegExp]>([
    ["takes values in base units", [{ name: "checkpoint_timeout", value: "900" }], "taken"],
    ["takes RDS' own", [{ name: "rds.force_ssl", value: "1" }], "taken"],
    [
      "takes formulas",
      [
        {
          name: "max_connections",
          value: "LEAST({DBInstanceClassMemory/9531392},5000)",
          applyMethod: "pending-reboot",
        },
      ],
      "taken",
    ],
    ["takes those of modules", [{ name: "pg_stat_statements.track", value: "all" }], "taken"],
    [
      "refuses unknown names",
      [{ name: "chekpoint_timeout", value: "900" }],
      "InvalidParameterValue: Could not find parameter with name: chekpoint_timeout",
    ],
    ["refuses unknown ones of RDS", [{ name: "rds.forse_ssl", value: "1" }], /Could not find parameter/],
    [
      "refuses units",
      [{ name: "max_wal_size", value: "4GB" }],
      /Invalid parameter value: 4GB for: max_wal_size allowed values are: 2-/,
    ],
    [
      "refuses values out of range",
      [{ name: "checkpoint_completion_target", value: "1.5" }],
      /allowed values are: 0-1$/,
    ],
    [
      "refuses what is none of a list",
      [{ name: "synchronous_commit", value: "sometimes" }],
      /invalid value for parameter "synchronous_commit": "sometimes"; Available values: local/,
    ],
    ["refuses words for numbers", [{ name: "work_mem", value: "much" }], /Invalid parameter value/],
    [
      "refuses what the service keeps",
      [{ name: "wal_level", value: "logical", applyMethod: "pending-reboot" }],
      /wal_level cannot be modified/,
    ],
    ["refuses to turn fsync off", [{ name: "fsync", value: "0" }], /fsync cannot be modified/],
    [
      "refuses to apply static ones at once",
      [{ name: "max_connections", value: "200" }],
      /cannot use immediate apply method for static parameter.*max_connections/,
    ],
    [
      "refuses what its version no longer has",
      [{ name: "old_snapshot_threshold", value: "1", applyMethod: "pending-reboot" }],
      /Could not find parameter/,
    ],
  ])("%s", (_, parameters, expected) => {
    expect(refusal(parameters)).toMatch(expected);
  });

  test("refuses a family there is not", () => {
    expect(refusal([], "postgresql17")).toMatch(/not a valid parameter group family/);
  });

  test("says what RDS would store otherwise than written", () => {
    expect(make([{ name: "log_lock_waits", value: "on" }]).log.join()).toMatch(
      /log_lock_waits = on: RDS stores 0 or 1/,
    );
    expect(make([{ name: "log_lock_waits", value: "1" }]).log).toEqual([]);
  });
});

describe("settings", () => {
  const machine = { major: 15, memory: 2 * 1024 ** 3, modules: new Set(["pg_stat_statements"]) };
  const settings = (...parameters: Partial<Parameter>[]) => settingsOf(parameters as Parameter[], [], machine);

  test("follow RDS' defaults where a group says nothing: connections by memory, TLS forced, statistics loaded", () => {
    const { values, forceSsl } = settings();
    expect(values).toMatchObject({
      max_connections: "225",
      shared_preload_libraries: "pg_stat_statements",
      wal_level: "replica",
    });
    expect(forceSsl).toBe(true);
  });

  test("take logical replication for a WAL level, and leave out modules that this machine lacks", () => {
    const { values } = settings(
      { name: "rds.logical_replication", value: "1" },
      { name: "shared_preload_libraries", value: "pg_stat_statements,pgaudit" },
    );
    expect(values).toMatchObject({ wal_level: "logical", shared_preload_libraries: "pg_stat_statements" });
    expect(Object.keys(values).filter((name) => name.startsWith("rds."))).toEqual([]);
  });

  test("of a replica are compared in all that a standby must have as much of", () => {
    const big = settings(
      { name: "max_connections", value: "300" },
      { name: "max_locks_per_transaction", value: "256" },
    );
    expect(belowSource(settings({ name: "max_connections", value: "300" }), big)).toEqual([
      "max_locks_per_transaction = 64, its source 256",
    ]);
    expect(belowSource(big, settings())).toEqual([]);
  });

  test("written to a file are read back as they were, quotes and spaces included", () => {
    const place = { directory: "/data/it's here", socketDirectory: "/s", port: 20001 };
    const file = parametersFile(place, settings({ name: "log_line_prefix", value: "%m 'x' " }));
    expect(valuesIn(file)).toMatchObject({
      log_line_prefix: "%m 'x' ",
      hba_file: "/data/it's here/pg_hba.conf",
      fsync: "on",
    });
  });

  test("differ by name, and nothing that a group says wins over the service", () => {
    const place = { directory: "/d", socketDirectory: "/s", port: 20001 };
    const at = (port: number, work: string) => ({
      parameters: parametersFile(
        { ...place, port },
        settings({ name: "work_mem", value: work }, { name: "ssl", value: "off" }),
      ),
      rules: "",
      certificate: "",
    });
    expect(differences(at(20001, "64"), at(20002, "64"))).toEqual(["port"]);
    expect(differences(at(20001, "64"), { ...at(20001, "128"), rules: "x" })).toEqual(["work_mem", "pg_hba.conf"]);
    expect(valuesIn(at(20001, "64").parameters).ssl).toBe("on");
  });

  test("of an instance come from the group of its name in its own region", () => {
    const other = group("eu-group", us, "postgres17", [{ name: "work_mem", value: "1", applyMethod: "immediate" }]);
    const own = group("eu-group", eu, "postgres17", [{ name: "work_mem", value: "8192", applyMethod: "immediate" }]);
    expect(settingsFor(primaryInputs, among([other, own])).values.work_mem).toBe("8192");
  });

  test.each([
    ["{DBInstanceClassMemory/9531392}", 225],
    ["{DBInstanceClassMemory*3/32768}", 196608],
    ["GREATEST({DBInstanceClassMemory/9531392},1000)", 1000],
    ["SUM({DBInstanceClassMemory/9531392},5)", 230],
    ["42", 42],
    ["{Memory/2}", undefined],
  ])("%s comes to %s", (formula, expected) => {
    expect(evaluateFormula(formula, 2 * 1024 ** 3)).toBe(expected);
  });
});

test("a server in however long a directory has a socket path that the kernel takes, and no two share one", () => {
  const binaries = { major: 17, bin: "/usr/lib/postgresql/17/bin" };
  const at = (directory: string) =>
    new Server("primary", directory, binaries, undefined, new AbortController().signal).socketDirectory;
  const long = `/home/${"a-rather-long-name/".repeat(8)}`;
  expect(at("/var/lib/x")).toBe("/var/lib/x");
  expect(`${at(long)}/.s.PGSQL.31999`.length).toBeLessThan(104); // macOS' limit; Linux' is 108
  expect(at(`${long}one`)).not.toBe(at(`${long}two`));
});
