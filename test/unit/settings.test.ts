import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { parseSettings, readSettings, SettingsError, type Problem } from "../../settings";
import { ownVariables } from "../../settings/crossChecks";
import { pulumiYaml, readme } from "../../settings/files";
import { settingsInForce, shownSettings } from "../../settings/shown";
import { entries } from "../../settings/table";
import { record } from "./mocks";
import { configOf } from "./stacks";

const required = {
  environment: "test",
  primaryRegion: "eu-central-1",
  replicaRegion: "eu-west-1",
  backupRegion: "eu-north-1",
  eksClusterName: "platform",
};

const otherBucket = {
  backupBucketArn: "arn:aws:s3:::authensor-prod-backups-1a2b3c4",
  backupBucketKmsKeyArn: "arn:aws:kms:eu-north-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab",
};

const restoreFrom = "arn:aws:rds:eu-central-1:123456789012:auto-backup:ab-0123456789abcdefghijklmnop";
const snapshot = "arn:aws:rds:eu-central-1:123456789012:snapshot:authensor-prod-primary-final-1a2b3c4";
const restoreBucket = {
  restoreBucketArn: otherBucket.backupBucketArn,
  restoreBucketKmsKeyArn: otherBucket.backupBucketKmsKeyArn,
};

const keys = Object.fromEntries(entries.map(({ setting }) => [setting.key, setting]));

function problemsOf(raw: Record<string, string | undefined>): readonly Problem[] {
  try {
    parseSettings({ ...required, ...raw });
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe("defaults", () => {
  test("complete a configuration that names only the environment, the regions and the cluster", () => {
    expect(parseSettings(required)).toEqual({
      account: { id: undefined, permissionsBoundaryArn: undefined, deployRoleArn: undefined },
      kmsKeyArns: { primary: undefined, replica: undefined, backup: undefined },
      environment: "test",
      namespace: "authensor",
      drill: { wanted: true, cidr: "10.91.0.0/24" },
      restore: { from: undefined, time: undefined, bucketArn: undefined, bucketKmsKeyArn: undefined },
      eksClusterName: "platform",
      tags: {},
      regions: { primary: "eu-central-1", replica: "eu-west-1", backup: "eu-north-1" },
      database: {
        subnetIds: [],
        clientSecurityGroupIds: [],
        postgresVersion: "17",
        majorUpgrade: "none",
        instanceClass: "db.t4g.medium",
        storageGib: 20,
        maxStorageGib: 100,
        multiAz: true,
        maxConnections: 200,
        reservedConnections: 30,
        backupRetentionDays: 7,
        deletionProtection: true,
        keepAfterDestroy: true,
        applyImmediately: true,
        engineLifecycleSupport: "open-source-rds-extended-support-disabled",
        logRetentionDays: undefined,
        parameterWaitMinutes: 10,
        rebootForParameters: false,
        passwordGeneration: 1,
        caFile: undefined,
      },
      replica: {
        wanted: true,
        vpcId: undefined,
        subnetIds: [],
        eksClusterName: undefined,
        connected: false,
        cidr: undefined,
        zones: undefined,
        instanceClass: "db.t4g.medium",
        promoted: false,
        fencedRegion: undefined,
        failoverLagSeconds: 60,
        acceptMissing: undefined,
      },
      backup: {
        copies: true,
        copyRetentionDays: 7,
        bucketArn: undefined,
        bucketKmsKeyArn: undefined,
        regionConfirmed: false,
        lockMode: "GOVERNANCE",
        lockDays: 30,
        receiptRetentionMonths: 24,
        archiveDelayDays: 7,
        onlineMonths: undefined,
        archiveKnownFlaws: 0,
      },
      createNamespace: true,
      pgbouncer: {
        pods: 2,
        image: "ghcr.io/cloudnative-pg/pgbouncer:1.25.2",
        maxClients: 500,
        preparedStatements: 32,
        lanes: 1,
        pod: {},
      },
      controlPlane: { image: "ghcr.io/authensor/control-plane:0.0.1", minPods: 2, maxPods: 6, env: {}, pod: {} },
      ingress: undefined,
      partitions: { monthsAhead: 3 },
      verification: { acknowledgedFile: undefined },
      schedules: {
        partitions: "17 3 * * *",
        archive: "*/5 * * * *",
        compact: "27 4 * * *",
        hold: "57 6 * * *",
        retire: "27 7 * * *",
        drill: "17 9 5 1,4,7,10 *",
        "verify-recent": "47 5 * * *",
        "verify-whole": "17 6 * * 0",
        "verify-archived": "17 8 1 * *",
      },
      ops: { image: "node:22.21.1-alpine3.22", pod: {} },
      monitor: { podMonitorLabels: {} },
      alarms: {
        emails: { page: [], ticket: [] },
        topicArns: { page: [], ticket: [] },
        thresholds: {
          lagSeconds: 10,
          poolWaitSeconds: 5,
          statementMilliseconds: 250,
          archiveMinutes: 20,
          drillDays: 100,
          drillRtoMinutes: 240,
          drillRpoMinutes: 60,
        },
      },
    });
  });

  test.each(entries.map(({ setting }) => [setting.key, setting] as const))(
    "and the example of %s fit its own rule",
    (_name, setting) => {
      expect(setting.schema.safeParse(setting.example).success).toBe(true);
      if (setting.default !== undefined) expect(setting.schema.safeParse(setting.default).success).toBe(true);
      expect(setting.description.length).toBeGreaterThan(20);
    },
  );

  test("no key stands twice in the table", () => {
    expect(Object.keys(keys)).toHaveLength(entries.length);
  });
});

describe("a single key", () => {
  const wrong: [string, string[]][] = [
    // RDS refuses an identifier with two hyphens in a row or one at its end, hours after the network was made.
    ["environment", ["P", "p", "Prod", "1st", "a".repeat(21), "pröd", "prod!", "prod-", "-prod", "a--b"]],
    ["primaryRegion", ["frankfurt", "eu-central", "EU-CENTRAL-1", "eu-central-1a"]],
    ["eksClusterName", ["-x", "a b"]],
    ["namespace", ["", "Authensor", "-a", "a-", "a".repeat(64), "a.b"]],
    ["podMonitorLabels", ["", "x", '{"-a":"b"}', '{"a":"b c"}', '{"a":null}']],
    [
      "tags",
      [
        "",
        "x",
        "[]",
        '"a"',
        "null",
        '{"a":null}',
        '{"a":1.1}',
        '{"a":1e21}',
        '{"a":{}}',
        '{"aws:x":"y"}',
        `{"${"k".repeat(129)}":"v"}`,
      ],
    ],
    [
      "replicaCidr",
      ["10.90.0.0", "10.90.0.1/20", "10.90.0.0/15", "10.90.0.0/25", "11.0.0.0/20", "172.32.0.0/20", "300.0.0.0/16"],
    ],
    ["replicaZones", ["1", "4", "two", "2.0"]],
    ["postgresVersion", ["14", "19", "17.4", "latest"]],
    ["instanceClass", ["", "r7g.large", "db.r7g", "db.r7g.gigantic", "db.z9.large"]],
    ["storageGib", ["19", "65537", "-20", "1e3", "20.5", "20 GiB"]],
    ["multiAz", ["yes", "1", "TRUE", ""]],
    ["maxConnections", ["24", "5001", "NaN", ""]],
    ["reservedConnections", ["25", "1001"]],
    ["backupRetentionDays", ["0", "36"]],
    ["backupCopyRetentionDays", ["0", "36", "x"]],
    ["replica", ["no", "0"]],
    ["logRetentionDays", ["0", "-1", "3654", "1y"]],
    ["engineLifecycleSupport", ["", "true", "disabled"]],
    [
      "primaryKmsKeyArn",
      [
        "alias/mine",
        "arn:aws:kms:eu-central-1:123456789012:alias/mine",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws:kms:eu-central-1:12345678901:key/1234abcd",
      ],
    ],
    ["backupBucketArn", ["backups", "arn:aws:s3:::Backups", "arn:aws:s3:::backups/folder", "arn:aws:s3::1:backups"]],
    ["backupBucketKmsKeyArn", ["alias/mine", "arn:aws:kms:eu-north-1:210987654321:alias/mine"]],
    ["passwordGeneration", ["0", "-1", "one"]],
    ["restoreFrom", ["latest", "authensor-prod-primary-1a2b3c4d", restoreFrom.replace("rds", "s3"), `${snapshot}-`]],
    [
      "restoreTime",
      [
        "yesterday",
        "2026-11-01",
        "2026-11-01T12:00:00",
        "2026-13-01T12:00:00Z",
        "2026-04-31T00:00:00Z",
        "2099-01-01T00:00:00Z",
      ],
    ],
    ["lockMode", ["", "compliance", "NONE"]],
    ["lockDays", ["0", "36501"]],
    ["archiveDelayDays", ["0", "91"]],
    ["onlineMonths", ["0", "1201"]],
    ["receiptRetentionMonths", ["5", "1201"]],
    ["pgbouncerPods", ["1", "51"]],
    [
      "pgbouncerImage",
      ["", "pgbouncer", "pgbouncer:latest", "pgbouncer:", "pgbouncer@sha256:12", "Pg:1", "pg bouncer:1", "a:1\nb"],
    ],
    ["controlPlaneMinPods", ["0", "101"]],
    ["controlPlaneEnv", ["", "{", '{"lower":"x"}', '{"A":[]}', '{"1A":"x"}', '["A"]']],
    ["monthsAhead", ["0", "25"]],
    [
      "partitionsSchedule",
      [
        "",
        "daily",
        "@noon",
        "@every 1h30m",
        "* * * *",
        "60 3 * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 * * 7",
        "0 0 * * FRI-MON",
        "0 0 MON * *",
        "0 0 L * *",
        "5-2 * * * *",
        "*/0 * * * *",
      ],
    ],
  ];
  test.each(wrong.flatMap(([name, values]) => values.map((value) => [name, value] as const)))(
    "%s refuses %j, with the value, the rule and an example",
    (name, value) => {
      const [problem, ...others] = problemsOf({ [name]: value }).filter(({ key }) => key === name);
      expect(others).toEqual([]);
      expect(problem).toMatchObject({
        key: name,
        value: name === "controlPlaneEnv" ? "(not shown)" : value,
        rule: keys[name]!.rule,
        example: keys[name]!.example,
      });
    },
  );

  test.each([
    ["pgbouncerImage", "registry.example.com:5000/team/pgbouncer:1.25.2"],
    ["pgbouncerImage", `ghcr.io/x/y@sha256:${"a".repeat(64)}`],
    ["pgbouncerImage", `ghcr.io/x/y:1.2@sha256:${"a".repeat(64)}`],
    ["partitionsSchedule", "*/5 0-6,22 1,15 * 1-5"],
    ["partitionsSchedule", "@daily"],
    ["partitionsSchedule", "0 5 ? jan,JUL MON-FRI/2"],
    ["environment", "a-b2-c"],
    ["primaryKmsKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"],
    ["logRetentionDays", "731"],
    ["replicaCidr", "192.168.0.0/16"],
    ["replicaCidr", "172.31.240.0/24"],
    ["primaryRegion", "us-gov-west-1"],
    ["tags", '{"team":"platform","note":""}'],
  ])("%s accepts %s", (name, value) => {
    // Which regions go together is another matter.
    expect(problemsOf({ backupRegionConfirmed: "true", [name]: value })).toEqual([]);
  });

  test.each(["environment", "primaryRegion", "replicaRegion", "backupRegion", "eksClusterName"])(
    "%s has no default: it is reported as missing, with the rule and an example, also where Pulumi.yaml made it empty",
    (name) => {
      for (const value of [undefined, ""]) {
        const [problem] = problemsOf({ [name]: value });
        expect(problem).toEqual({ key: name, value: undefined, rule: keys[name]!.rule, example: keys[name]!.example });
        expect(new SettingsError([problem!]).message).toContain(`${name} is missing`);
      }
    },
  );

  test.each([
    // pulumi config set tags '{"cost-center":"4711"}'
    ["as a JSON text", '{"cost-center":"4711","team":"platform"}'],
    // pulumi config set --path tags.cost-center 4711: the command line makes a number of it
    ["as --path and YAML store them", '{"cost-center":4711,"team":"platform"}'],
  ])("tags are texts, given %s", (_how, tags) => {
    expect(parseSettings({ ...required, tags }).tags).toEqual({ "cost-center": "4711", team: "platform" });
  });

  test("controlPlaneEnv takes the numbers and booleans that the command line makes of texts", () => {
    const { controlPlane } = parseSettings({
      ...required,
      controlPlaneEnv: '{"AUTHENSOR_AEGIS_ENABLED":true,"AUTHENSOR_CLAIM_TTL_SECONDS":30,"URL":"https://x"}',
    });
    expect(controlPlane.env).toEqual({
      AUTHENSOR_AEGIS_ENABLED: "true",
      AUTHENSOR_CLAIM_TTL_SECONDS: "30",
      URL: "https://x",
    });
  });

  test("a map's wrong entry is named, and its value is not", () => {
    const [tags] = problemsOf({ tags: '{"version":1.1}' });
    expect(tags!.where).toBe("wrong at version: is a number that loses its spelling: write it in quotes");
    const message = new SettingsError(problemsOf({ controlPlaneEnv: '{"OK":"x","lower":"hunter2"}' })).message;
    expect(message).toMatch(/wrong at lower: this name is not allowed\n/);
    expect(message).not.toContain("hunter2");
  });

  test("a list's wrong item is named by its place, without the pattern that it does not match", () => {
    const [groups] = problemsOf({ clientSecurityGroupIds: "sg-0123456789abcdef0,default" });
    expect(groups!.where).toBe("wrong at 1: this value does not fit the rule");
  });

  describe.each(["controlPlanePod", "pgbouncerPod", "opsPod"])("%s", (key) => {
    const podOf = (pod: object) => {
      const { controlPlane, pgbouncer, ops } = parseSettings({ ...required, [key]: JSON.stringify(pod) });
      return { controlPlanePod: controlPlane.pod, pgbouncerPod: pgbouncer.pod, opsPod: ops.pod }[key];
    };

    test("takes what platforms ask of pods, with the numbers and booleans that the command line makes of texts", () => {
      expect(
        podOf({
          nodeSelector: { "karpenter.sh/nodepool": "db", generation: 7, spot: false },
          tolerations: [
            { key: "db", value: true, effect: "NoSchedule" },
            { operator: "Exists", effect: "NoExecute", tolerationSeconds: "300" },
          ],
          priorityClassName: "high",
          imagePullSecrets: ["mirror"],
          resources: { requests: { cpu: 0.5, memory: "1Gi" }, limits: { memory: 1073741824 } },
        }),
      ).toEqual({
        nodeSelector: { "karpenter.sh/nodepool": "db", generation: "7", spot: "false" },
        tolerations: [
          { key: "db", value: "true", effect: "NoSchedule" },
          { operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
        ],
        priorityClassName: "high",
        imagePullSecrets: ["mirror"],
        resources: { requests: { cpu: "0.5", memory: "1Gi" }, limits: { memory: "1073741824" } },
      });
    });

    test.each<[object, string | RegExp]>([
      [{ nodeselector: {} }, "unknown: nodeselector"],
      [{ affinity: {}, hostNetwork: true }, "unknown: affinity, hostNetwork"],
      [{ resources: { requests: { cpu: 1, memory: "1Gi", gpu: 1 } } }, "unknown: resources.requests.gpu"],
      [{ tolerations: [{ key: "a", op: "Exists" }] }, "unknown: tolerations.0.op"],
      [{ resources: { requests: { cpu: 1 } } }, /^wrong at resources\.requests\.memory: /],
      [{ resources: { requests: { cpu: "1 core", memory: "1Gi" } } }, /^wrong at resources\.requests\.cpu: .*250m/],
      [{ resources: { requests: { cpu: 0, memory: "1Gi" } } }, /^wrong at resources\.requests\.cpu: /],
      [
        { resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { cpu: "500m" } } },
        "wrong at resources.limits.cpu: must not be below requests.cpu 1; use at least 1",
      ],
      [
        { resources: { requests: { cpu: "1", memory: "1Gi" }, limits: { memory: "1000M" } } },
        "wrong at resources.limits.memory: must not be below requests.memory 1Gi; use at least 1Gi",
      ],
      [{ nodeSelector: { pool: "a b" } }, /^wrong at nodeSelector\.pool: /],
      [{ nodeSelector: { version: 1.1 } }, /^wrong at nodeSelector\.version: .*quotes/],
      [{ tolerations: [{ key: "a", operator: "Exists", value: "b" }] }, /^wrong at tolerations\.0: .*takes no value/],
      [{ tolerations: [{ value: "b" }] }, /^wrong at tolerations\.0: without a key/],
      [{ tolerations: [{ key: "a", tolerationSeconds: 5 }] }, /^wrong at tolerations\.0: .*NoExecute/],
      [{ imagePullSecrets: [{ name: "mirror" }] }, /^wrong at imagePullSecrets\.0: /],
    ])("refuses %j and says where", (pod, where) => {
      const [problem, ...others] = problemsOf({ [key]: JSON.stringify(pod) });
      expect(others).toEqual([]);
      expect(problem).toMatchObject({ key, where: expect.stringMatching(where) as string });
    });
  });

  describe("ingress", () => {
    const tls = { certificateArn: "arn:aws:acm:eu-central-1:123456789012:certificate/0f1e" };
    const alb = { host: "decisions.example.com", class: "alb", ...tls };

    test("is not made where nothing of it is set", () => {
      expect(parseSettings({ ...required, ingress: "{}" }).ingress).toBeUndefined();
    });

    test("is private, and needs no more than a name, a class and a certificate", () => {
      const { ingress } = parseSettings({ ...required, ingress: JSON.stringify(alb) });
      expect(ingress).toEqual({ ...alb, public: false, annotations: {}, from: [] });
    });

    test("has a certificate of the primary's region: its load balancer takes no other, and the deployment would wait in vain", () => {
      const elsewhere = { ...alb, certificateArn: alb.certificateArn.replace("eu-central-1", "us-east-1") };
      expect(problemsOf({ ingress: JSON.stringify(elsewhere) })).toMatchObject([
        {
          key: "ingress",
          rule: "certificateArn must be of primaryRegion eu-central-1, where the load balancer is; it is of us-east-1",
        },
      ]);
    });

    test("takes the boolean as text, and an annotation's number as text", () => {
      const given = { ...alb, public: "true", annotations: { "alb.ingress.kubernetes.io/group.order": 7 } };
      expect(parseSettings({ ...required, ingress: JSON.stringify(given) }).ingress).toMatchObject({
        public: true,
        annotations: { "alb.ingress.kubernetes.io/group.order": "7" },
      });
    });

    test.each<[string, object, string | RegExp]>([
      [
        "without TLS",
        { host: alb.host, class: "alb", from: ["10.0.0.0/16"] },
        /exactly one of .* not 0: there is no way in/,
      ],
      ["with two certificates", { ...alb, issuer: "letsencrypt" }, /exactly one of .* not 2/],
      [
        "of a controller whose place is not known",
        { host: alb.host, class: "nginx", issuer: "x" },
        /^wrong at from: must name/,
      ],
      [
        "made public where that is the class's to say",
        { host: alb.host, class: "nginx", issuer: "x", from: ["nginx"], public: true },
        /^wrong at public: needs certificateArn/,
      ],
      [
        "whose annotation opens it to the internet",
        { ...alb, annotations: { "alb.ingress.kubernetes.io/scheme": "internet-facing" } },
        "wrong at annotations.alb.ingress.kubernetes.io/scheme: must not be set: the program sets it",
      ],
      [
        "whose annotation adds a listener without TLS",
        { ...alb, annotations: { "alb.ingress.kubernetes.io/listen-ports": '[{"HTTP":80}]' } },
        /listen-ports: must not be set/,
      ],
      ["with an unknown property", { ...alb, hosts: ["a"] }, "unknown: hosts"],
      ["with a name that is none", { ...alb, host: "decisions" }, /^wrong at host: /],
      ["with a URL for a name", { ...alb, host: "https://decisions.example.com" }, /^wrong at host: /],
      ["from a block that is none", { ...alb, from: ["10.0.0.0/33"] }, /^wrong at from\.0: /],
      ["without a name", { class: "alb", ...tls }, /^wrong at host: /],
    ])("%s is refused, with the place", (_what, ingress, where) => {
      const [problem, ...others] = problemsOf({ ingress: JSON.stringify(ingress) });
      expect(others).toEqual([]);
      expect(problem).toMatchObject({ key: "ingress", where: expect.stringMatching(where) as string });
    });
  });

  test("that the program does not know is refused, with the nearest that it does know", () => {
    expect(problemsOf({ maxConnection: "10" })).toEqual([
      {
        key: "maxConnection",
        value: "10",
        rule: "unknown key; did you mean maxConnections?",
        example: "maxConnections",
      },
    ]);
    expect(problemsOf({ constructor: "x" }).map(({ key }) => key)).toEqual(["constructor"]);
  });

  test("that may hold secrets is not repeated in the message, even where its name is mistyped", () => {
    const message = new SettingsError([
      ...problemsOf({ controlPlaneEnv: '{"WEBHOOK_SECRET":"hunter2"' }),
      ...problemsOf({ controlPlanEnv: '{"WEBHOOK_SECRET":"hunter2"}' }),
    ]).message;
    expect(message).toContain("controlPlaneEnv = (not shown)");
    expect(message).toContain("controlPlanEnv = (not shown)");
    expect(message).not.toContain("hunter2");
  });
});

describe("what only shows in combination", () => {
  const twoSubnets = "subnet-0123456789abcdef0,subnet-0123456789abcdef1";
  const combinations: [string, Record<string, string>, string, RegExp][] = [
    [
      "a replica in the primary's region",
      { replicaRegion: "eu-central-1" },
      "replicaRegion",
      /^must differ from primaryRegion$/,
    ],
    [
      "a backup in the primary's region",
      { backupRegion: "eu-central-1" },
      "backupRegion",
      /^must differ from primaryRegion$/,
    ],
    [
      "a pair of regions between which RDS copies no backups",
      { backupRegion: "ap-south-1" },
      "backupRegion",
      /from primaryRegion eu-central-1: use eu-north-1, eu-west-1, eu-west-2, .*describe-source-regions --region ap-south-1/,
    ],
    [
      "a primary's region from which no copy is known",
      { primaryRegion: "eu-south-1", backupRegion: "eu-north-1" },
      "backupRegion",
      /from primaryRegion eu-south-1: no region is known .*set backupRegionConfirmed to true/,
    ],
    [
      "one subnet for the primary",
      { databaseSubnetIds: "subnet-0123456789abcdef0" },
      "databaseSubnetIds",
      /^must name at least two subnets/,
    ],
    [
      "a VPC for the replica without subnets",
      { replicaVpcId: "vpc-0123456789abcdef0" },
      "replicaVpcId",
      /^needs replicaSubnetIds/,
    ],
    [
      "a VPC for the replica and a cluster to place it beside",
      { replicaVpcId: "vpc-0123456789abcdef0", replicaSubnetIds: twoSubnets, replicaEksClusterName: "west" },
      "replicaVpcId",
      /^must not be set with replicaEksClusterName/,
    ],
    ...(["replicaCidr", "replicaZones"] as const).flatMap((key): [string, Record<string, string>, string, RegExp][] => {
      const given = { [key]: key === "replicaCidr" ? "10.90.0.0/20" : "2" };
      const rule = /^must not be set with replica(VpcId|EksClusterName): it is of the VPC that is made/;
      const ownVpc = { replicaVpcId: "vpc-0123456789abcdef0", replicaSubnetIds: twoSubnets };
      return [
        [`${key} of a VPC that is not made, the default too`, { ...ownVpc, ...given }, key, rule],
        [`${key} of a VPC that a cluster brings`, { replicaEksClusterName: "west", ...given }, key, rule],
      ];
    }),
    [
      "subnets of a VPC that is not named",
      { replicaSubnetIds: twoSubnets },
      "replicaSubnetIds",
      /^needs replicaVpcId or replicaEksClusterName/,
    ],
    [
      "a connection of a VPC that is yet to be made",
      { replicaVpcConnected: "true" },
      "replicaVpcConnected",
      /^needs replicaVpcId or replicaEksClusterName/,
    ],
    [
      "a place for a replica that there is not",
      { replica: "false", deletionProtection: "false", replicaEksClusterName: "west" },
      "replicaEksClusterName",
      /^must not be set while replica is false/,
    ],
    [
      "a failover without a cluster to go to",
      { failedOver: "true" },
      "failedOver",
      /^needs replicaEksClusterName, set and deployed before the region is lost/,
    ],
    [
      "what the next failover loses, accepted before it",
      { acceptMissing: "missing-3f2a91bc04de" },
      "acceptMissing",
      /^must not be set while failedOver is false/,
    ],
    [
      "the fence of a primary that is one no more, which the way back would close",
      { fencedRegion: "eu-west-1" },
      "fencedRegion",
      /^must be primaryRegion eu-central-1, or not set/,
    ],
    ["a restore without the bucket to verify it against", { restoreFrom }, "restoreFrom", /^needs restoreBucketArn/],
    [
      "the bucket of a restore without its key",
      { restoreFrom, restoreBucketArn: otherBucket.backupBucketArn },
      "restoreBucketArn",
      /^needs restoreBucketKmsKeyArn/,
    ],
    [
      "the key of a restore's bucket without the bucket",
      { restoreBucketKmsKeyArn: otherBucket.backupBucketKmsKeyArn },
      "restoreBucketKmsKeyArn",
      /^needs restoreBucketArn/,
    ],
    [
      "a bucket to verify against with nothing to restore",
      restoreBucket,
      "restoreBucketArn",
      /^must not be set without restoreFrom: an empty primary would be made/,
    ],
    [
      "a restore of what another region has",
      { restoreFrom: restoreFrom.replace("eu-central-1", "eu-west-1"), ...restoreBucket },
      "restoreFrom",
      /^must be in primaryRegion eu-central-1, but it is in eu-west-1: RDS restores where the backups are\. A stack that was restored needs this no more/,
    ],
    [
      "a restore of another account's backups",
      { restoreFrom, ...restoreBucket, awsAccountId: "210987654321" },
      "restoreFrom",
      /^must be of awsAccountId 210987654321, but it is of 123456789012/,
    ],
    [
      "a restore of what another region has a snapshot of",
      { restoreFrom: snapshot.replace("eu-central-1", "eu-west-1"), ...restoreBucket },
      "restoreFrom",
      /^must be in primaryRegion eu-central-1, but it is in eu-west-1/,
    ],
    [
      "a restore of a snapshot that another account shares",
      { restoreFrom: snapshot, ...restoreBucket, awsAccountId: "210987654321" },
      "restoreFrom",
      /but it is of 123456789012: RDS restores .* of another's encrypted snapshots only copies in one's own$/,
    ],
    [
      "a moment of a snapshot, which has its own",
      { restoreFrom: snapshot, restoreTime: "2026-11-01T12:00:00Z", ...restoreBucket },
      "restoreTime",
      /^must not be set without automated backups as restoreFrom: a snapshot and the bucket have one moment each$/,
    ],
    [
      "a moment of no backup",
      { restoreTime: "2026-11-01T12:00:00Z" },
      "restoreTime",
      /^must not be set without automated backups/,
    ],
    [
      "a moment of a bucket, which has its newest manifest",
      { restoreFrom: "bucket", restoreTime: "2026-11-01T12:00:00Z", ...restoreBucket },
      "restoreTime",
      /^must not be set without automated backups/,
    ],
    [
      "two databases that archive into one bucket",
      { restoreFrom, ...restoreBucket, ...otherBucket },
      "restoreBucketArn",
      /^must differ from backupBucketArn: two databases would archive into one bucket/,
    ],
    ["storage that can hardly grow", { storageGib: "100", maxStorageGib: "109" }, "maxStorageGib", /use at least 110/],
    [
      "a lock that outlives what it locks",
      { lockMode: "COMPLIANCE", lockDays: "3650", receiptRetentionMonths: "24" },
      "lockDays",
      /24 months are 731 days/,
    ],
    [
      "months that leave the database when their archives have expired",
      { onlineMonths: "24", lockDays: "365", receiptRetentionMonths: "24" },
      "onlineMonths",
      /^must be less than receiptRetentionMonths 24/,
    ],
    [
      "months that leave the database when their archives are no longer locked",
      { onlineMonths: "6", lockDays: "244" },
      "onlineMonths",
      /^needs lockDays 245 or more/,
    ],
    [
      "a protected database without a replica",
      { replica: "false" },
      "replica",
      /^may be false only if deletionProtection is false too/,
    ],
    [
      "a protected database without copies of its backups",
      { backupCopies: "false" },
      "backupCopies",
      /^may be false only if deletionProtection is false too/,
    ],
    [
      "a key of another region",
      { backupKmsKeyArn: "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab" },
      "backupKmsKeyArn",
      /^must be a key of backupRegion eu-north-1, but it is a key of eu-west-1/,
    ],
    [
      "another account's bucket without its key",
      { backupBucketArn: otherBucket.backupBucketArn },
      "backupBucketArn",
      /^needs backupBucketKmsKeyArn/,
    ],
    [
      "the key of another account's bucket without the bucket",
      { backupBucketKmsKeyArn: otherBucket.backupBucketKmsKeyArn },
      "backupBucketKmsKeyArn",
      /^needs backupBucketArn/,
    ],
    [
      "another account's bucket with a key of another region",
      { ...otherBucket, backupRegion: "eu-west-3" },
      "backupBucketKmsKeyArn",
      /^must be a key of backupRegion eu-west-3, but it is a key of eu-north-1/,
    ],
    [
      "a bucket of the database's own account",
      { ...otherBucket, awsAccountId: "210987654321" },
      "backupBucketKmsKeyArn",
      /^must be a key of another account, but it is of awsAccountId 210987654321/,
    ],
    [
      "a retention of logs that CloudWatch does not know",
      { logRetentionDays: "100" },
      "logRetentionDays",
      /no retention of 100 days; use 120$/,
    ],
    ["fewer pods at most than at least", { controlPlaneMinPods: "7" }, "controlPlaneMaxPods", /use at least 7/],
    [
      "pools that do not fit",
      { maxConnections: "40" },
      "maxConnections",
      /40 connections − 30 reserved leave 10 for 4 PgBouncer pods .* 2 each; each needs 5\. maxConnections of 50/,
    ],
    [
      "more clients than PgBouncer takes",
      { controlPlaneMaxPods: "60" },
      "maxConnections",
      /1220 clients .*, 1 × pgbouncerMaxClients 500 = 500/,
    ],
    [
      "a class too small for the connections",
      { instanceClass: "db.t4g.micro" },
      "instanceClass",
      /maxConnections 200; AWS' own formula gives db\.t4g\.micro \(1 GiB\) 112; use a class with at least 2 GiB/,
    ],
    [
      "more prepared statements than the database has memory for",
      { preparedStatements: "38" },
      "preparedStatements",
      /^38 statements on each of 96 connections .* up to 2\.0 GiB with 24 months .*half of 4 GiB.*use at most 37$/,
    ],
    [
      "prepared statements of too many months online",
      { receiptRetentionMonths: "84" },
      "preparedStatements",
      /up to 6\.0 GiB with 84 months online \(receiptRetentionMonths; onlineMonths is not set\).*use at most 10$/,
    ],
    [
      "prepared statements that the replica's class has no memory for, should it become the primary",
      { instanceClass: "db.r7g.large", replicaInstanceClass: "db.t4g.medium", preparedStatements: "38" },
      "preparedStatements",
      /half of 4 GiB, the smallest instance class/,
    ],
    [
      "a replica's class too small for the primary's connections",
      { replicaInstanceClass: "db.t4g.micro" },
      "replicaInstanceClass",
      /db\.t4g\.micro \(1 GiB\) 112/,
    ],
  ];
  test.each(combinations)("%s is refused with the numbers", (_claim, raw, key, rule) => {
    const problems = problemsOf(raw);
    expect(problems.map((problem) => problem.key)).toEqual([key]);
    expect(problems[0]!.rule).toMatch(rule);
    expect(problems[0]!.value).toBe(raw[key] ?? keys[key]!.default);
  });

  test("a pair of regions that AWS has added since is taken once it is confirmed, or where nothing is copied", () => {
    const added = { primaryRegion: "eu-south-1", backupRegion: "eu-central-2" };
    expect(problemsOf({ ...added, backupRegionConfirmed: "true" })).toEqual([]);
    expect(problemsOf({ ...added, backupCopies: "false", deletionProtection: "false" })).toEqual([]);
    expect(problemsOf(added).map(({ key }) => key)).toEqual(["backupRegion"]);
    const withoutCopies = { ...added, backupCopies: "false", deletionProtection: "false" };
    expect(problemsOf(withoutCopies)).toEqual([]);
  });

  test("a database that may be deleted needs no replica, no region for one, no class for one and no copies", () => {
    const { replicaRegion: _, ...withoutRegion } = required;
    const settings = parseSettings({
      ...withoutRegion,
      deletionProtection: "false",
      replica: "false",
      backupCopies: "false",
      replicaInstanceClass: "db.t4g.micro",
    });
    expect(settings).toMatchObject({ regions: { replica: undefined }, replica: { wanted: false } });
  });

  test("whoever turns the protection off to destroy a stack loses nothing by that: what stays is a setting of its own", () => {
    const kept = (raw: Record<string, string>) => parseSettings({ ...required, ...raw }).database.keepAfterDestroy;
    expect(kept({})).toBe(true);
    expect(kept({ deletionProtection: "false" })).toBe(true);
    expect(kept({ deletionProtection: "false", keepAfterDestroy: "false" })).toBe(false);
  });

  test("the copies' retention follows the backups' unless it is said", () => {
    const days = (raw: Record<string, string>) => parseSettings({ ...required, ...raw }).backup.copyRetentionDays;
    expect(days({ backupRetentionDays: "3" })).toBe(3);
    expect(days({ backupRetentionDays: "3", backupCopyRetentionDays: "35" })).toBe(35);
  });

  test("the smallest reserve there may be holds all direct connections and the monitor's through two PgBouncer pods", () => {
    expect(problemsOf({ reservedConnections: "27" })).toEqual([]);
  });

  test.each(ownVariables)("%s in controlPlaneEnv is refused: the program sets it", (name) => {
    expect(problemsOf({ controlPlaneEnv: JSON.stringify({ [name]: "x" }) })).toMatchObject([
      { key: "controlPlaneEnv", rule: `must not set ${name}: the program sets these itself` },
    ]);
  });

  test("is not checked on values that are wrong by themselves", () => {
    expect(problemsOf({ replicaRegion: "x", primaryRegion: "x" }).map(({ rule }) => rule)).toEqual([
      keys["primaryRegion"]!.rule,
      keys["replicaRegion"]!.rule,
    ]);
  });
});

describe("the report", () => {
  test("names every problem at once: missing, wrong, unknown and combined", () => {
    const report = () =>
      parseSettings({
        primaryRegion: "eu-west-1",
        replicaRegion: "eu-west-1",
        storageGib: "1",
        podz: "2",
        lockDays: "0",
      });
    expect(report).toThrow(SettingsError);
    expect(report).toThrow(
      /^7 problems in the configuration:\n {2}environment is missing\n {4}rule: .+\n {4}example: prod\n/,
    );
    for (const key of ["backupRegion", "eksClusterName", "storageGib", "podz", "lockDays", "replicaRegion"]) {
      expect(report).toThrow(new RegExp(`\n {2}${key} (is missing|= \\S+)\n {4}rule: `));
    }
  });

  test("reaches whoever runs the program as one error, which Pulumi prints without a stack trace", async () => {
    const failed = record(readSettings, { config: { "authensor-database:environment": "NO", "aws:region": "x" } });
    await expect(failed).rejects.toThrow(/^5 problems in the configuration:\n {2}environment = NO\n/);
    await expect(failed).rejects.toMatchObject({ __pulumiRunError: true });
  });

  test("says that configuration of the AWS provider is not used", async () => {
    const warned = vi.spyOn(pulumi.log, "warn").mockResolvedValue(undefined);
    const config = { ...configOf("dev"), "aws:region": "eu-west-3", "aws:profile": "ops" };
    await record(readSettings, { config });
    expect(warned.mock.calls.map(([text]) => text)).toContainEqual(
      expect.stringMatching(
        /^aws:region, aws:profile: not used, since the program makes its AWS provider itself; set /,
      ),
    );
    warned.mockRestore();
  });

  test("refuses a key whose namespace is mistyped: Pulumi would ignore it in silence", async () => {
    const failed = record(readSettings, { config: { "authensor-databse:maxConnections": "150" } });
    await expect(failed).rejects.toThrow(
      /^authensor-databse:maxConnections: .*mean authensor-database:maxConnections\?$/,
    );
    await expect(failed).rejects.toMatchObject({ __pulumiRunError: true });
  });

  test("has no example for a refused combination: alone, each of its values is right", () => {
    const [problem] = problemsOf({ backupRegion: "eu-central-1" });
    expect(problem).toMatchObject({ key: "backupRegion", value: "eu-central-1" });
    expect(problem).not.toHaveProperty("example");
  });
});

describe("the files for the Pulumi command line", () => {
  const load = (file: string) =>
    parse(readFileSync(join(__dirname, "../..", file), "utf8")) as { config: Record<string, unknown> };
  const asText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

  test.each([
    ["Pulumi.yaml", pulumiYaml],
    ["README.md", readme],
  ])("%s is as the table of settings makes it (npm run settings)", (file, render) => {
    const current = readFileSync(join(__dirname, "../..", file), "utf8");
    expect(parsed(file, render(current))).toEqual(parsed(file, current));
  });

  // Prettier may fold lines of YAML: what counts is what it says.
  const parsed = (file: string, content: string): unknown =>
    file.endsWith(".yaml") ? Object.entries((parse(content) as { config: object }).config) : content;

  test("Pulumi.yaml leaves every check to the program: no key has a type, and none is missing for the engine", () => {
    for (const [key, declared] of Object.entries(load("Pulumi.yaml").config)) {
      expect(declared, key).toHaveProperty("default");
      expect(declared, key).not.toHaveProperty("type");
    }
  });

  test("the defaults as Pulumi.yaml gives them are the program's own", () => {
    const given = Object.entries(load("Pulumi.yaml").config).map(([key, declared]) => [
      key,
      asText((declared as { default: unknown }).default),
    ]);
    expect(parseSettings({ ...(Object.fromEntries(given) as object), ...required })).toEqual(parseSettings(required));
  });

  test.each(["dev", "prod", "local"])("Pulumi.%s.yaml is a configuration without a problem", (stack) => {
    const values = Object.entries(load(`Pulumi.${stack}.yaml`).config).map(([name, value]) => {
      expect(name).toMatch(/^authensor-database:/);
      return [name.replace("authensor-database:", ""), asText(value)];
    });
    const settings = parseSettings(Object.fromEntries(values) as Record<string, string>);
    expect(settings.environment).toBe(stack);
    const isProduction = stack === "prod";
    expect(settings.database.multiAz).toBe(isProduction);
    expect(settings.database.deletionProtection).toBe(isProduction);
    expect(settings.backup.lockMode).toBe(isProduction ? "COMPLIANCE" : "GOVERNANCE");
    if (isProduction) expect(settings.database.backupRetentionDays).toBe(35);
  });
});

describe("what a stack tells of its settings", () => {
  test("has every key as it is in force, hides what is confidential or encrypted in the stack's file", () => {
    const shown = shownSettings(
      {
        environment: "prod",
        ticketEmails: "secret@example.com",
        controlPlaneEnv: '{"TOKEN":"t"}',
        instanceClass: "db.r7g.large",
      },
      (key) => key === "ticketEmails",
    );
    expect(Object.keys(shown)).toEqual(entries.map(({ setting }) => setting.key));
    expect(shown).toMatchObject({
      environment: "prod",
      ticketEmails: "[secret]",
      controlPlaneEnv: "[secret]",
      maxConnections: "200",
    });
  });

  test("asks the engine which of them are encrypted", async () => {
    const config = { "authensor-database:environment": "dev", "authensor-database:ticketEmails": "secret@example.com" };
    const { result } = await record(() => {
      pulumi.runtime.setAllConfig(config, ["authensor-database:ticketEmails"]);
      return settingsInForce();
    });
    expect(result).toMatchObject({ environment: "dev", ticketEmails: "[secret]" });
  });
});
