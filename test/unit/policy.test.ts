/** Each rule of the policy pack on a small stack of another program, which keeps to all of them, and on what breaks it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { policyOf, type Properties } from "../../policy/rule";
import { rules } from "../../policy/rules";
import { unknown, type Recorded } from "./mocks";
import { configurationOf, judge, rulesPage, type Configuration } from "./policies";

const key = (region: string) => `arn:aws:kms:${region}:111111111111:key/orders`;
const digest = `@sha256:${"a".repeat(64)}`;

/** A resource, and whose values its properties come from. */
const resource = (type: string, name: string, inputs: Properties, from: Record<string, string> = {}): Recorded =>
  ({
    ...{ type, name, inputs, urn: urn(name), computed: {}, protect: false, ignoreChanges: [] },
    propertyDependencies: Object.fromEntries(Object.entries(from).map(([property, of]) => [property, [urn(of)]])),
  }) as unknown as Recorded;
const urn = (name: string) => `urn:pulumi:live::shop::x::${name}`;

const pod = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
  containers: [
    {
      name: "api",
      image: `example.com/api:1${digest}`,
      env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "api", key: "password" } } }],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    },
  ],
};
const tlsOnly = {
  Statement: [
    {
      Effect: "Deny",
      Principal: "*",
      Action: "s3:*",
      Resource: "*",
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
  ],
};
const watched = (database: string, ...metrics: string[]) =>
  metrics.map((metricName) =>
    resource(
      "aws:cloudwatch/metricAlarm:MetricAlarm",
      `${database}-${metricName}`,
      { namespace: "AWS/RDS", metricName, alarmActions: ["topic"], okActions: ["topic"], dimensions: {} },
      { dimensions: database },
    ),
  );
const bucket = { bucket: "papers" };

/** Keeps to every rule. */
const shop = (): Recorded[] =>
  structuredClone([
    resource("aws:rds/parameterGroup:ParameterGroup", "group", {
      family: "postgres16",
      parameters: [{ name: "rds.force_ssl", value: "1" }],
    }),
    resource("aws:rds/instance:Instance", "orders", {
      ...{ region: "us-east-1", engine: "postgres", identifier: "orders", parameterGroupName: "group", multiAz: true },
      ...{ storageEncrypted: true, kmsKeyId: key("us-east-1"), backupRetentionPeriod: 14, deletionProtection: true },
      ...{ publiclyAccessible: false, skipFinalSnapshot: false, deleteAutomatedBackups: false },
    }),
    resource(
      "aws:rds/instance:Instance",
      "orders-copy",
      {
        ...{ region: "us-west-2", replicateSourceDb: "arn:aws:rds:us-east-1:111111111111:db:orders" },
        ...{ storageEncrypted: true, kmsKeyId: key("us-west-2"), deletionProtection: true, parameterGroupName: "west" },
      },
      { replicateSourceDb: "orders" },
    ),
    resource(
      "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
      "backups",
      { region: "us-west-2", kmsKeyId: key("us-west-2") },
      { sourceDbInstanceArn: "orders" },
    ),
    resource("aws:s3/bucket:Bucket", "papers", { bucket: "papers" }),
    resource("aws:s3/bucketPolicy:BucketPolicy", "papers-policy", { ...bucket, policy: JSON.stringify(tlsOnly) }),
    resource(
      "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
      "papers-block",
      { blockPublicAcls: true, blockPublicPolicy: true, ignorePublicAcls: true, restrictPublicBuckets: true },
      { bucket: "papers" },
    ),
    resource("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", "papers-key", {
      ...bucket,
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: key("us-east-1") } }],
    }),
    resource("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "papers-lock", {
      ...bucket,
      rule: { defaultRetention: { mode: "COMPLIANCE", days: 90 } },
    }),
    resource("kubernetes:core/v1:Namespace", "shop", {
      metadata: { labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    }),
    resource("kubernetes:apps/v1:Deployment", "api", { spec: { template: { spec: pod } } }),
    resource("kubernetes:batch/v1:CronJob", "nightly", {
      spec: { jobTemplate: { spec: { template: { spec: pod } } } },
    }),
    resource("kubernetes:core/v1:ConfigMap", "settings", { data: { url: "postgresql://user:password@host/db" } }),
    resource("kubernetes:core/v1:Service", "api-service", { spec: { type: "ClusterIP" } }),
    resource("aws:iam/role:Role", "reader", {
      assumeRolePolicy: {
        Statement: { Effect: "Allow", Principal: { Service: "pods.eks.amazonaws.com" }, Action: "sts:AssumeRole" },
      },
    }),
    resource("aws:iam/rolePolicy:RolePolicy", "reads", {
      policy: { Statement: { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::papers/*" } },
    }),
    resource("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "attached", {
      policyArn: "arn:aws:iam::aws:policy/ReadOnlyAccess",
    }),
    resource("aws:secretsmanager/secret:Secret", "password", { kmsKeyId: key("us-east-1") }),
    resource("aws:kms/key:Key", "key", { enableKeyRotation: true }),
    resource("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "way-in", { cidrIpv4: "10.0.0.0/16" }),
    resource("aws:ec2/securityGroup:SecurityGroup", "group-in-one", { ingress: [{ cidrBlocks: ["10.0.0.0/16"] }] }),
    resource("aws:sns/topic:Topic", "topic", { kmsMasterKeyId: key("us-east-1") }),
    resource("aws:sns/topicSubscription:TopicSubscription", "mail", {}, { topic: "topic" }),
    ...watched("orders", "FreeStorageSpace", "CPUUtilization", "FreeableMemory"),
    ...watched("orders-copy", "FreeStorageSpace", "CPUUtilization", "FreeableMemory", "ReplicaLag"),
  ]);

const inputsOf = (resources: readonly Recorded[], name: string) => resources.find((one) => one.name === name)!.inputs;

/** The shop with what one resource says replaced. */
const changed = (name: string, inputs: Properties): Recorded[] => {
  const resources = shop();
  Object.assign(inputsOf(resources, name), inputs);
  return resources;
};
const without = (name: string) => shop().filter((one) => one.name !== name);
const container = (change: Properties) => ({
  spec: { template: { spec: { ...pod, containers: [{ ...pod.containers[0], ...change }] } } },
});
const allows = (statement: Properties) => ({
  policy: JSON.stringify({ Statement: [{ Effect: "Allow", ...statement }] }),
});

test("a stack that keeps to every rule has no violation, whatever its resources are called", () => {
  expect(judge(shop())).toEqual({ violations: [], unjudged: [] });
});

/** By rule: the stack, the resource in it that breaks the rule, and what is said. */
const breaking: Record<string, [stack: Recorded[], resource: string, says: RegExp][]> = {
  "database-own-key": [
    [changed("orders", { kmsKeyId: undefined }), "orders", /kmsKeyId is not set/],
    [changed("orders", { storageEncrypted: false }), "orders", /storageEncrypted/],
    [changed("orders", { performanceInsightsEnabled: true }), "orders", /performanceInsightsKmsKeyId/],
  ],
  "database-not-public": [[changed("orders", { publiclyAccessible: true }), "orders", /publiclyAccessible/]],
  "database-tls": [
    [changed("group", { parameters: [] }), "group", /rds\.force_ssl is not set/],
    [changed("group", { parameters: [{ name: "rds.force_ssl", value: "0" }] }), "group", /rds\.force_ssl is 0/],
    [changed("group", { family: "mysql8.0" }), "group", /require_secure_transport/],
    [changed("orders", { parameterGroupName: undefined }), "orders", /parameterGroupName/],
    [changed("orders", { parameterGroupName: "default.postgres16" }), "orders", /parameterGroupName/],
  ],
  "database-backups": [
    [changed("orders", { backupRetentionPeriod: undefined }), "orders", /is 0: .* at least 7/],
    [changed("orders", { backupRetentionPeriod: 6 }), "orders", /is 6/],
  ],
  "database-backups-elsewhere": [
    [without("backups"), "orders", /no InstanceAutomatedBackupsReplication/],
    [changed("backups", { region: "us-east-1" }), "orders", /its own region/],
  ],
  "database-multi-az": [[changed("orders", { multiAz: undefined }), "orders", /multiAz/]],
  "database-deletion-protection": [
    [changed("orders", { deletionProtection: false }), "orders", /deletionProtection/],
    [changed("orders-copy", { deletionProtection: false }), "orders-copy", /deletionProtection/],
  ],
  "database-outlived": [
    [changed("orders", { skipFinalSnapshot: true }), "orders", /skipFinalSnapshot/],
    [changed("orders", { deleteAutomatedBackups: undefined }), "orders", /deleteAutomatedBackups/],
  ],
  "database-judged": [
    [
      [...shop(), resource("aws:rds/cluster:Cluster", "carts", { engine: "aurora-postgresql" })],
      "carts",
      /^no rule here judges Aurora: see to its encryption/,
    ],
    [
      [...shop(), resource("aws:dynamodb/table:Table", "visits", { hashKey: "id" })],
      "visits",
      /^no rule here judges DynamoDB/,
    ],
  ],
  "bucket-own-key": [
    [without("papers-key"), "papers", /no BucketServerSideEncryptionConfiguration/],
    [
      changed("papers-key", { rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms" } }] }),
      "papers",
      /kmsMasterKeyId/,
    ],
  ],
  "bucket-not-public": [
    [without("papers-block"), "papers", /has no BucketPublicAccessBlock/],
    [changed("papers-block", { ignorePublicAcls: false }), "papers", /lacks ignorePublicAcls/],
  ],
  "bucket-policy-not-public": [
    [
      changed("papers-policy", {
        policy: {
          Statement: [...tlsOnly.Statement, { Effect: "Allow", Principal: { AWS: "*" }, Action: "s3:GetObject" }],
        },
      }),
      "papers-policy",
      /principal "\*"/,
    ],
    [
      changed("papers-policy", {
        policy: {
          Statement: [
            ...tlsOnly.Statement,
            { Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: "*", Condition: {} },
          ],
        },
      }),
      "papers-policy",
      /principal "\*"/,
    ],
    [
      changed("papers", { policy: { Statement: { Effect: "Allow", Principal: "*", Action: "s3:GetObject" } } }),
      "papers",
      /principal "\*"/,
    ],
  ],
  "bucket-tls": [
    [without("papers-policy"), "papers", /SecureTransport/],
    [
      changed("papers-policy", { policy: { Statement: { ...tlsOnly.Statement[0], Action: "s3:GetObject" } } }),
      "papers",
      /SecureTransport/,
    ],
    ...[
      { Resource: "arn:aws:s3:::papers/public/*" },
      { Resource: ["arn:aws:s3:::papers/*"] },
      { Condition: { Bool: { "aws:SecureTransport": "false", "aws:ViaAWSService": "true" } } },
      { Condition: { Bool: { "aws:SecureTransport": "false" }, StringEquals: { "s3:prefix": "public" } } },
    ].map((less): [Recorded[], string, RegExp] => [
      changed("papers-policy", { policy: { Statement: { ...tlsOnly.Statement[0], ...less } } }),
      "papers",
      /SecureTransport/,
    ]),
  ],
  "bucket-locked": [
    [without("papers-lock"), "papers", /no BucketObjectLockConfiguration/],
    [changed("papers-lock", { rule: { defaultRetention: { mode: "GOVERNANCE", days: 90 } } }), "papers", /GOVERNANCE/],
    [changed("papers-lock", { rule: { defaultRetention: { mode: "COMPLIANCE", days: 7 } } }), "papers", /7 days/],
  ],
  "bucket-kept": [[changed("papers", { forceDestroy: true }), "papers", /forceDestroy/]],
  "pods-restricted": [
    [changed("api", { spec: { template: { spec: { ...pod, hostNetwork: true } } } }), "api", /hostNetwork/],
    [
      changed("api", { spec: { template: { spec: { ...pod, securityContext: {} } } } }),
      "api",
      /runAsNonRoot.*seccompProfile/,
    ],
    [
      changed("api", {
        spec: { template: { spec: { ...pod, volumes: [{ name: "node", hostPath: { path: "/" } }] } } },
      }),
      "api",
      /hostPath/,
    ],
    [
      changed("api", {
        spec: { template: { spec: { ...pod, volumes: [{ name: "share", nfs: { server: "files", path: "/" } }] } } },
      }),
      "api",
      /volume share: nfs/,
    ],
    [
      changed("api", {
        spec: { template: { spec: { ...pod, securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } } } },
      }),
      "api",
      /sysctl kernel.msgmax/,
    ],
    [changed("api", container({ securityContext: { procMount: "Unmasked" } })), "api", /procMount/],
    [changed("api", container({ securityContext: { appArmorProfile: { type: "Unconfined" } } })), "api", /AppArmor/],
    [changed("api", container({ securityContext: { seLinuxOptions: { type: "spc_t" } } })), "api", /SELinux/],
    [
      changed("api", {
        spec: {
          template: {
            spec: { ...pod, securityContext: { ...pod.securityContext, seLinuxOptions: { user: "system_u" } } },
          },
        },
      }),
      "api",
      /^container api: SELinux/,
    ],
    [
      changed("api", container({ securityContext: { windowsOptions: { hostProcess: true } } })),
      "api",
      /hostProcess is true/,
    ],
    [
      changed("api", container({ livenessProbe: { httpGet: { host: "169.254.169.254", port: 80 } } })),
      "api",
      /^container api: a probe or a hook names a host$/,
    ],
    [
      changed("api", container({ lifecycle: { preStop: { tcpSocket: { host: "10.0.0.1", port: 80 } } } })),
      "api",
      /names a host/,
    ],
    [
      changed("api", container({ securityContext: { capabilities: { drop: ["ALL"] } } })),
      "api",
      /allowPrivilegeEscalation/,
    ],
    [
      changed("nightly", {
        spec: { jobTemplate: { spec: container({ securityContext: { privileged: true } }).spec } },
      }),
      "nightly",
      /privileged is true.*drop ALL/,
    ],
    [
      changed("api", {
        spec: { template: { spec: { ...pod, initContainers: [{ name: "prepares", image: `a${digest}` }] } } },
      }),
      "api",
      /container prepares/,
    ],
  ],
  "namespaces-restricted": [[changed("shop", { metadata: {} }), "shop", /is not set/]],
  "images-by-digest": [
    [changed("api", container({ image: "example.com/api:1" })), "api", /example.com\/api:1 has no digest/],
  ],
  "no-secret-in-environment": [
    [
      changed("api", container({ env: [{ name: "DB_PASSWORD", value: "x" }] })),
      "api",
      /DB_PASSWORD is set in plain text/,
    ],
    [
      changed("api", container({ env: [{ name: "DATABASE", value: "postgresql://a:b@c/d" }] })),
      "api",
      /DATABASE is set/,
    ],
    [changed("api", container({ args: ["--url=postgresql://a:b@c/d"] })), "api", /among its arguments/],
  ],
  "no-secret-in-configmap": [
    [changed("settings", { data: { "userlist.txt": "postgresql://a:b@c/d" } }), "settings", /userlist.txt/],
    [changed("settings", { data: { id: "AKIAABCDEFGHIJKLMNOP" } }), "settings", /id has a secret/],
    [
      changed("settings", { data: { tls: `-----BEGIN PRIVATE KEY-----\n${"A".repeat(20)}` } }),
      "settings",
      /tls has a secret/,
    ],
  ],
  "services-not-public": [
    [changed("api-service", { spec: { type: "LoadBalancer" }, metadata: {} }), "api-service", /LoadBalancer/],
  ],
  "iam-no-wildcard-action": [
    [changed("reads", allows({ Action: "s3:*", Resource: "arn:aws:s3:::papers" })), "reads", /allows s3:\*/],
    [changed("reads", allows({ NotAction: "iam:PassRole", Resource: "arn:aws:s3:::papers" })), "reads", /NotAction/],
    [
      changed("attached", { policyArn: "arn:aws:iam::aws:policy/AdministratorAccess" }),
      "attached",
      /AdministratorAccess/,
    ],
    [
      changed("reader", {
        inlinePolicies: [{ name: "all", ...allows({ Action: "*", Resource: "arn:aws:s3:::papers" }) }],
      }),
      "reader",
      /allows \*: list/,
    ],
    [
      changed("reader", { managedPolicyArns: ["arn:aws:iam::aws:policy/IAMFullAccess"] }),
      "reader",
      /IAMFullAccess is attached/,
    ],
  ],
  "iam-no-wildcard-resource": [
    [
      changed("reads", allows({ Action: ["s3:GetObject", "rds:DescribeEvents"], Resource: "*" })),
      "reads",
      /allows s3:GetObject on/,
    ],
    [changed("reads", allows({ Action: "s3:GetObject", NotResource: "arn:aws:s3:::papers" })), "reads", /NotResource/],
    [changed("reads", allows({ Action: "s3:GetObject", Resource: ["arn:aws:s3:::*"] })), "reads", /on every resource/],
    ...[{}, { StringEquals: {} }].map((Condition): [Recorded[], string, RegExp] => [
      changed("reads", allows({ Action: "s3:GetObject", Resource: "*", Condition })),
      "reads",
      /on every resource/,
    ]),
  ],
  "iam-no-role-for-anyone": [
    [
      changed("reader", {
        assumeRolePolicy: { Statement: { Effect: "Allow", Principal: "*", Action: "sts:AssumeRole" } },
      }),
      "reader",
      /principal "\*"/,
    ],
    [
      changed("reader", {
        assumeRolePolicy: {
          Statement: {
            Effect: "Allow",
            Principal: { Federated: "arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com" },
            Action: "sts:AssumeRoleWithWebIdentity",
          },
        },
      }),
      "reader",
      /identity provider without a condition/,
    ],
  ],
  "own-keys": [
    [changed("password", { kmsKeyId: undefined }), "password", /kmsKeyId/],
    [changed("topic", { kmsMasterKeyId: "alias/aws/sns" }), "topic", /kmsMasterKeyId/],
  ],
  "keys-rotate": [[changed("key", { enableKeyRotation: undefined }), "key", /enableKeyRotation/]],
  "no-way-in-from-everywhere": [
    [changed("way-in", { cidrIpv4: "0.0.0.0/0" }), "way-in", /0\.0\.0\.0\/0/],
    [changed("group-in-one", { ingress: [{ ipv6CidrBlocks: ["::/0"] }] }), "group-in-one", /::\/0/],
    [
      changed("group-in-one", { ingress: [{ cidrBlocks: ["0.0.0.0/1", "128.0.0.0/1"] }] }),
      "group-in-one",
      /0\.0\.0\.0\/1/,
    ],
    [changed("way-in", { cidrIpv4: undefined, cidrIpv6: "2000::/3" }), "way-in", /2000::\/3/],
  ],
  "alarms-tell": [
    [changed("orders-CPUUtilization", { okActions: [] }), "orders-CPUUtilization", /okActions/],
    [changed("orders-CPUUtilization", { actionsEnabled: false }), "orders-CPUUtilization", /actionsEnabled/],
  ],
  "alarms-reach-somebody": [[without("mail"), "topic", /no TopicSubscription/]],
  "database-alarms": [
    [without("orders-FreeStorageSpace"), "orders", /FreeStorageSpace/],
    [without("orders-copy-ReplicaLag"), "orders-copy", /ReplicaLag/],
  ],
};

test("the page lists each rule as it is, and what a violation does in production and elsewhere", () => {
  expect(readFileSync(join(__dirname, "../../policy/README.md"), "utf8")).toContain(rulesPage());
});

test("a configuration names only rules that there are", () => {
  for (const environment of ["production", "development"] as const)
    expect(rules.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(configurationOf(environment))));
});

test("every rule is broken by something here", () => {
  expect(Object.keys(breaking)).toEqual(rules.map(({ name }) => name));
});

describe.each(Object.entries(breaking))("%s", (rule, cases) => {
  test.each(cases)("is broken, and nothing else is", (stack, resource, says) => {
    expect(judge(stack)).toEqual({
      violations: [{ rule, resource, message: expect.stringMatching(says) as string }],
      unjudged: [],
    });
  });
});

test("a key that KMS does not renew, and a network's private block, break no rule", () => {
  for (const renewedByNobody of [{ customerMasterKeySpec: "RSA_4096" }, { customKeyStoreId: "cks-1" }])
    expect(judge(changed("key", { enableKeyRotation: undefined, ...renewedByNobody }))).toEqual({
      violations: [],
      unjudged: [],
    });
  expect(judge(changed("way-in", { cidrIpv4: "10.0.0.0/8" })).violations).toEqual([]);
});

describe("in a preview", () => {
  test("a value that only the deployment knows is no violation, and Pulumi says which rule waits for it", () => {
    expect(judge(changed("orders", { kmsKeyId: unknown }))).toEqual({
      violations: [],
      unjudged: ["database-own-key orders"],
    });
    expect(judge(changed("papers-policy", { policy: unknown })).unjudged).toEqual(
      expect.arrayContaining(["bucket-tls "]),
    );
  });

  test("what is unknown of one resource hides nothing of another", () => {
    const stack = [...changed("papers-policy", { policy: unknown }), resource("aws:s3/bucket:Bucket", "open", {})];
    const { violations, unjudged } = judge(stack);
    expect(unjudged).toContain("bucket-tls ");
    expect(violations).toContainEqual(expect.objectContaining({ rule: "bucket-tls", resource: "open" }));
  });

  test("resources are matched by where their values come from, before the values are known", () => {
    const stack = changed("papers-block", { bucket: unknown });
    expect(judge(stack)).toEqual({ violations: [], unjudged: [] });
  });
});

describe("configuration", () => {
  const judged = (stack: Recorded[], configuration: Configuration) => judge(stack, configuration).violations;

  test("sets a rule's numbers and lists", () => {
    expect(judged(changed("orders", { backupRetentionPeriod: 6 }), { "database-backups": { days: 5 } })).toEqual([]);
    expect(judged(shop(), { "database-alarms": { metrics: ["Shop OrdersLost"] } })).toEqual([
      expect.objectContaining({ resource: "orders", message: "no MetricAlarm watches Shop OrdersLost: add one each" }),
    ]);
  });

  test("excepts a resource by its name, with a reason, from one rule", () => {
    const exceptions = { "pap*": "holds what everybody may read" };
    expect(judged(without("papers-block"), { "bucket-not-public": { exceptions } })).toEqual([]);
    expect(judged(without("papers-block"), { "bucket-tls": { exceptions } })).toHaveLength(1);
    const { properties } = policyOf(rules[0]!).configSchema!;
    expect(properties["exceptions"]).toEqual({
      type: "object",
      additionalProperties: { type: "string", minLength: 20 },
    });
  });
});
