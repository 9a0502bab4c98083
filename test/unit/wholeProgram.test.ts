import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { scheduledNames } from "../../components/programs/scheduledNames";
import program from "../..";
import { documentedCommands } from "./documented";
import type { Deployment, PodTemplate } from "./kubernetesTypes";
import { lookups } from "./mockOutputs";
import { record, unknown, type Options, type Values, type World } from "./mocks";
import { configurationOf, judge, levelOf } from "./policies";
import { configOf, stacks, type Stack } from "./stacks";
import { worldOf } from "./worlds";

const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
afterAll(() => warn.mockRestore());

const run = (stack: Stack, options: Pick<Options, "preview" | "config" | "invokes"> = {}) =>
  record<unknown>(program, { stack, ...options, config: { ...configOf(stack), ...options.config } });

/** The values of all properties of this name, wherever they are. */
const everyNamed = (name: string, value: unknown): unknown[] =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
        key === name ? [inner] : everyNamed(name, inner),
      );

const count = (world: World<unknown>, type: string) => world.all(type).length;
const instance = "aws:rds/instance:Instance";

/** Of the policy pack: a stack for trials is allowed what production is not, and a digest is chosen by who checked the build. */
const trial = ["database-multi-az", "database-deletion-protection", "database-outlived", "bucket-locked"];
const advised: Record<Stack, string[]> = {
  dev: ["database-backups-elsewhere", ...trial, "images-by-digest", "alarms-reach-somebody"],
  prod: ["images-by-digest"],
  local: [...trial, "images-by-digest", "alarms-reach-somebody"],
};

let worlds: Record<Stack, World<unknown>>;
beforeAll(async () => {
  worlds = { dev: await worldOf("dev"), prod: await worldOf("prod"), local: await worldOf("local") };
});

describe.each(stacks)("the program for %s", (stack) => {
  test("puts no password, token or key into an input or an output that is not secret", () => {
    worlds[stack].expectNothingSecretInPlain();
    expect(worlds[stack].stackOutputs.secrets).toEqual([]);
  });

  test("keeps to every mandatory rule of the policy pack, and breaks those that only advise where it says so", () => {
    const configuration = configurationOf(stack === "prod" ? "production" : "development");
    const { violations, unjudged } = judge(worlds[stack].resources, configuration);
    expect(unjudged).toEqual([]);
    expect(violations.filter(({ rule }) => levelOf(rule, configuration) === "mandatory")).toEqual([]);
    expect([...new Set(violations.map(({ rule }) => rule))]).toEqual(advised[stack]);
  });

  test("names a Secret's key by name and key alone: the API server refuses a property it does not know", () => {
    const references = worlds[stack].resources.flatMap(({ inputs }) => everyNamed("secretKeyRef", inputs));
    expect(references.length).toBeGreaterThan(1);
    for (const reference of references) expect(Object.keys(reference as object).sort()).toEqual(["key", "name"]);
  });

  test("makes a primary, and a replica in another region where one is wanted, and the bucket in a third", () => {
    const world = worlds[stack];
    const name = `authensor-${stack}`;
    const primary = world.one(instance, `${name}-primary`);
    expect(world.one("aws:s3/bucket:Bucket").inputs.region).toBe("eu-north-1");
    expect(count(world, instance)).toBe(stack === "dev" ? 1 : 2);
    if (stack === "dev") return;
    const replica = world.one(instance, `${name}-replica`);
    expect(primary.inputs.region).toBe("eu-central-1");
    expect(replica.inputs.region).toBe("eu-west-1");
    expect(replica.inputs.replicateSourceDb).toMatch(/^arn:aws:rds:eu-central-1:/);
    expect(replica.inputs.kmsKeyId).toMatch(/^arn:aws:kms:eu-west-1:/);
    expect(replica.dependencies).toContain(primary.urn);
    for (const absent of ["username", "password", "passwordWo", "dbName", "engine"])
      expect(replica.inputs).not.toHaveProperty(absent);
  });

  test("puts nothing into the namespace before that is there and denies whatever no policy allows", () => {
    const world = worlds[stack];
    const { urn: namespace } = world.one("kubernetes:core/v1:Namespace");
    const { urn: denies } = world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy", `authensor-${stack}-deny-all`);
    // A component waits for what it depends on, and its children for their component: it is in the type of their URN, outermost first.
    const inCluster = world.resources.filter(({ type, urn }) => type.startsWith("kubernetes:") && urn !== namespace);
    const outermost = new Set(inCluster.map(({ urn }) => urn.split("::")[2]?.split("$")[0]));
    const early = world.resources
      .filter(({ type, parent }) => parent === undefined && outermost.has(type) && type !== "authensor:pods:Tenancy")
      .filter(({ dependencies }) => !dependencies.includes(namespace) || !dependencies.includes(denies));
    expect(outermost.size).toBeGreaterThan(5);
    expect(early.map(({ type, name }) => `${type} ${name}`)).toEqual([]);
  });

  test("keeps the servers' logs for as long as the receipts, which they explain, unless the stack says otherwise", () => {
    const { rules } = worlds[stack].one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs;
    const [{ expiration }] = rules as [{ expiration: { days: number } }];
    const kept = worlds[stack].all("aws:cloudwatch/logGroup:LogGroup").map(({ inputs }) => inputs.retentionInDays);
    expect(kept.length).toBeGreaterThan(1);
    for (const days of kept) expect(days).toBeGreaterThanOrEqual(stack === "dev" ? 30 : expiration.days);
  });

  test("migrates before it pools, and pools before it serves", () => {
    const world = worlds[stack];
    const name = `authensor-${stack}`;
    const job = world.one("kubernetes:batch/v1:Job");
    const pooler = world.one("kubernetes:apps/v1:Deployment", `${name}-pgbouncer`);
    const controlPlane = world.one("kubernetes:apps/v1:Deployment", `${name}-control-plane`);
    const cronJob = world.one("kubernetes:batch/v1:CronJob", `${name}-partitions`);
    const dependenciesOf = (type: string, of?: string) => world.one(`authensor:${type}`, of).dependencies;
    expect(dependenciesOf("pooling:Pgbouncer")).toContain(job.urn);
    expect(dependenciesOf("programs:Scheduled", `${name}-partitions`)).toContain(job.urn);
    expect(dependenciesOf("controlPlane:ControlPlane")).toEqual(expect.arrayContaining([job.urn, pooler.urn]));
    const order = [job, pooler, controlPlane].map((resource) => world.resources.indexOf(resource));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(world.resources.indexOf(cronJob)).toBeGreaterThan(world.resources.indexOf(job));
  });

  test("keeps each program once, however many run it, and each pod has the file that it starts", () => {
    const world = worlds[stack];
    const texts = world
      .all("kubernetes:core/v1:ConfigMap")
      .flatMap(({ inputs }) => Object.entries((inputs.data ?? {}) as Record<string, string>))
      .filter(([file]) => file.endsWith(".js"))
      .map(([, text]) => text);
    expect(texts.length).toBeGreaterThan(5);
    expect(new Set(texts).size).toBe(texts.length);
    const files = new Map(
      world.all("kubernetes:core/v1:ConfigMap").map(({ inputs, computed }) => {
        const { name } = (computed.metadata ?? inputs.metadata) as { name: string };
        return [name, Object.keys(inputs.data ?? {})];
      }),
    );
    for (const { name, inputs } of world.all("kubernetes:batch/v1:CronJob")) {
      const { spec } = (inputs as unknown as { spec: { jobTemplate: { spec: { template: PodTemplate } } } }).spec
        .jobTemplate.spec.template;
      const code = spec.volumes.find((volume) => volume.name === "code") as
        { configMap?: { name: string } } | undefined;
      const [file] = files.get(code?.configMap?.name ?? "") ?? [];
      expect([name, spec.containers[0]!.command]).toEqual([name, ["node", `/app/program/${file}`]]);
    }
  });

  test("uses the explicit providers for everything in AWS and in the cluster", () => {
    const world = worlds[stack];
    const [cloud, cluster] = ["aws", "kubernetes"].map((name) => world.one(`pulumi:providers:${name}`).urn);
    for (const { type, provider, name } of world.resources.filter(({ custom }) => custom)) {
      const wanted = type.startsWith("aws:") ? cloud : type.startsWith("kubernetes:") ? cluster : undefined;
      if (wanted !== undefined) expect([name, provider.startsWith(`${wanted}::`)]).toEqual([name, true]);
    }
  });

  test("knows the cluster by its ARN, so that a renewed certificate authority makes no object anew", () => {
    const { clusterIdentifier } = worlds[stack].one("pulumi:providers:kubernetes").inputs;
    expect(clusterIdentifier).toMatch(/^arn:aws:eks:eu-central-1:\d+:cluster\/\w+/);
  });

  test("keeps everything but the stack's own components under a component", () => {
    const orphans = worlds[stack].resources.filter(({ custom, parent }) => custom && parent === undefined);
    expect(orphans.map(({ type }) => type).sort()).toEqual([
      ...["pulumi:index:Stash", "pulumi:index:Stash"],
      "pulumi:providers:aws",
      "pulumi:providers:kubernetes",
    ]);
    for (const component of worlds[stack].resources.filter(({ custom }) => !custom))
      expect([component.name, component.outputs !== undefined]).toEqual([component.name, true]);
  });

  test("gives each pod only the URL that its work needs", () => {
    const world = worlds[stack];
    const urlOf = ({ spec }: PodTemplate) =>
      spec.containers[0]!.env.find(({ name }) => name === "DATABASE_URL")?.valueFrom?.secretKeyRef.name;
    const templateOf = (type: string) => (world.one(type).inputs as { spec: { template: PodTemplate } }).spec.template;
    const job = templateOf("kubernetes:batch/v1:Job").spec;
    expect(job.volumes).toContainEqual(
      expect.objectContaining({
        secret: expect.objectContaining({ secretName: `authensor-${stack}-owner-abc1234` }) as unknown,
      }),
    );
    const controlPlane = world.one("kubernetes:apps/v1:Deployment", `authensor-${stack}-control-plane`);
    expect(urlOf((controlPlane.inputs as unknown as Deployment).spec.template)).toBe(
      `authensor-${stack}-control-plane-database-abc1234`,
    );
    const owners = world.resources
      .filter(({ inputs }) => JSON.stringify(inputs).includes(`"authensor-${stack}-owner-abc1234"`))
      .map(({ type, name, inputs }) => [type, name, (inputs as { spec: { suspend?: boolean } }).spec.suspend]);
    expect(owners).toEqual([
      ["kubernetes:batch/v1:Job", `authensor-${stack}-migrate`, undefined],
      ["kubernetes:batch/v1:CronJob", `authensor-${stack}-reconcile`, true],
    ]);
  });

  test("never hands out more connections than the primary takes", () => {
    const world = worlds[stack];
    const pooler = world.one("kubernetes:apps/v1:Deployment", `authensor-${stack}-pgbouncer`);
    const { replicas } = (pooler.inputs as unknown as Deployment).spec;
    const config = world.one("kubernetes:core/v1:ConfigMap", `authensor-${stack}-pgbouncer-config`);
    const ini = Object.values(config.inputs.data as Record<string, string>).join("\n");
    const sizes = [...ini.matchAll(/max_db_connections=(\d+)/g)].map(([, size]) => Number(size));
    const group = world.one("aws:rds/parameterGroup:ParameterGroup", `authensor-${stack}-primary`);
    const parameters = group.inputs.parameters as { name: string; value: string }[];
    const most = Number(parameters.find(({ name }) => name === "max_connections")?.value);
    expect(sizes).toHaveLength(4);
    expect(2 * replicas * sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(most - 10);
  });

  test("has outputs that say where everything is", () => {
    const { values } = worlds[stack].stackOutputs;
    const identifier = (server: string) =>
      worlds[stack].one(instance, `authensor-${stack}-${server}`).inputs.identifier as string;
    const secret = (name: string, key: string) => ({
      namespace: "authensor",
      name: `authensor-${stack}-${name}-abc1234`,
      key,
    });
    expect(values).toMatchObject({
      environment: stack,
      namespace: "authensor",
      regions: { primary: "eu-central-1", backup: "eu-north-1" },
      primary: { host: `${identifier("primary")}.xyz.eu-central-1.rds.amazonaws.com`, port: 5432 },
      primaryAdmits: ["10.0.0.0/16"],
      ...(stack !== "dev" && {
        replica: { host: `${identifier("replica")}.xyz.eu-west-1.rds.amazonaws.com`, port: 5432 },
      }),
      backupBucket: { name: `authensor-${stack}-backups-abc1234`, region: "eu-north-1" },
      pgbouncer: { host: "pgbouncer.authensor.svc.cluster.local", port: 6433 },
      controlPlane: { url: "http://control-plane.authensor.svc.cluster.local:3000" },
      cronJobs: scheduledNames.filter((name) => name !== "retire" && (name !== "drill" || stack !== "dev")),
      adminTokenSecret: secret("control-plane-admin-token", "token"),
      connectionSecrets: {
        controlPlaneDatabase: secret("control-plane-database", "url"),
        ...Object.fromEntries(
          ["audit", "telemetry", "auditor", "owner", "monitor", ...(stack === "dev" ? [] : ["replica"])].map((name) => [
            name,
            secret(name, "url"),
          ]),
        ),
      },
    });
    expect(Object.hasOwn(values, "replica")).toBe(stack !== "dev");
  });
});

describe("the environments", () => {
  const types = (stack: Stack) => worlds[stack].census.map((entry) => entry.replaceAll(`authensor-${stack}`, "·"));

  test("are the same program: production and this machine differ in sizes and zones, not in what there is", () => {
    expect(types("prod").filter((entry) => !types("local").includes(entry))).toEqual([
      "aws:ec2/routeTableAssociation:RouteTableAssociation ·-replica-3",
      "aws:ec2/subnet:Subnet ·-replica-3",
      "aws:sns/topicSubscription:TopicSubscription ·-page-oncall@example.com",
      "aws:sns/topicSubscription:TopicSubscription ·-replica-page-oncall@example.com",
      "aws:sns/topicSubscription:TopicSubscription ·-replica-ticket-platform@example.com",
      "aws:sns/topicSubscription:TopicSubscription ·-ticket-platform@example.com",
    ]);
    // A class that is not burstable has no credits to run out of.
    expect(types("local").filter((entry) => !types("prod").includes(entry))).toEqual([
      "aws:cloudwatch/metricAlarm:MetricAlarm ·-credits-low",
      "aws:cloudwatch/metricAlarm:MetricAlarm ·-replica-replica-credits-low",
    ]);
  });

  test("with one that has no copy elsewhere, and is the same in all else", () => {
    expect(types("dev").filter((entry) => !types("local").includes(entry))).toEqual([]);
    const lacking = types("local").filter((entry) => !types("dev").includes(entry));
    expect(lacking).not.toEqual([]);
    for (const entry of lacking)
      expect(entry).toMatch(
        / ·-(replica|(archiver|monitor|verifier)-replica|replication-lag|wal-retained|(backup-)?copies|roles-replica-key|drill|restore-code)\b/,
      );
  });

  test("differ in what guards them: production is Multi-AZ, kept for 35 days, locked for good, and refuses deletion", () => {
    const primary = (stack: Stack) => worlds[stack].one(instance, `authensor-${stack}-primary`);
    expect(primary("prod")).toMatchObject({
      protect: true,
      inputs: { multiAz: true, backupRetentionPeriod: 35, deletionProtection: true, instanceClass: "db.r7g.large" },
    });
    expect(primary("dev")).toMatchObject({
      protect: false,
      inputs: { multiAz: false, backupRetentionPeriod: 7, deletionProtection: false, instanceClass: "db.t4g.medium" },
    });
    const lock = (stack: Stack) =>
      worlds[stack].one("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration").inputs.rule;
    expect(lock("prod")).toEqual({ defaultRetention: { mode: "COMPLIANCE", days: 365 } });
    expect(lock("dev")).toEqual({ defaultRetention: { mode: "GOVERNANCE", days: 1 } });
  });
});

describe("a preview, when nothing that AWS computes is known", () => {
  let preview: World<unknown>;
  beforeAll(async () => {
    preview = await run("prod", { preview: true });
  });

  test("shows every resource that the deployment makes", () => {
    expect(preview.census).toEqual(worlds.prod.census);
  });

  test("shows the name of every namespace and service account: nothing waits for another by what it is named", () => {
    const inCluster = preview.resources.filter(({ type }) => type.startsWith("kubernetes:"));
    for (const name of ["namespace", "serviceAccountName"]) {
      const shown = inCluster.flatMap(({ inputs }) => everyNamed(name, inputs));
      expect(shown.length).toBeGreaterThan(5);
      expect(shown).not.toContain(unknown);
    }
  });

  test("shows what is decided here, and leaves open what is not", () => {
    const pooler = preview.one("kubernetes:apps/v1:Deployment", "authensor-prod-pgbouncer");
    expect((pooler.inputs as unknown as Deployment).spec.replicas).toBe(3);
    const config = preview.one("kubernetes:core/v1:ConfigMap", "authensor-prod-pgbouncer-config").inputs;
    expect(config.data).toMatchObject({ "decisions.ini": unknown, "others.ini": unknown });
    expect(preview.stackOutputs.values).toMatchObject({
      primary: { host: unknown },
      pgbouncer: { port: 6433 },
      regions: { replica: "eu-west-1" },
    });
  });
});

describe("the account that is deployed into", () => {
  const roleArn = "arn:aws:iam::123456789012:role/deploy";
  const users = (world: World<unknown>) =>
    JSON.parse(String(world.one("pulumi:providers:kubernetes").inputs.kubeconfig)) as {
      users: [{ user: { exec: { args: string[] } } }];
    };

  test("is the one that is named, as the role that is named, in AWS and in the cluster", async () => {
    const world = await run("dev", {
      config: { "authensor-database:awsAccountId": "123456789012", "authensor-database:deployRoleArn": roleArn },
    });
    // A provider's inputs travel as JSON texts.
    expect(world.one("pulumi:providers:aws").inputs).toMatchObject({
      allowedAccountIds: '["123456789012"]',
      assumeRoles: JSON.stringify([{ roleArn }]),
    });
    expect(users(world).users[0].user.exec.args.slice(-2)).toEqual(["--role-arn", roleArn]);
  });

  test("is that of whoever deploys where nothing is named", () => {
    const aws = worlds.dev.one("pulumi:providers:aws").inputs;
    expect(aws).not.toHaveProperty("allowedAccountIds");
    expect(aws).not.toHaveProperty("assumeRoles");
    expect(users(worlds.dev).users[0].user.exec.args).not.toContain("--role-arn");
  });
});

describe("an EKS cluster of IPv6 pods", () => {
  let world: World<unknown>;
  beforeAll(async () => {
    const getCluster = "aws:eks/getCluster:getCluster";
    const kubernetesNetworkConfigs = [{ ipFamily: "ipv6", serviceIpv4Cidr: "", serviceIpv6Cidr: "fd12::/108" }];
    const invokes = {
      [getCluster]: (inputs: Values) => ({ ...lookups[getCluster]!(inputs), kubernetesNetworkConfigs }),
    };
    world = await run("local", { invokes });
  });

  // The nodes carry their connections on with an IPv4 address of the VPC; RDS has no other here.
  test("reaches the servers from the IPv4 blocks of its VPC", () => {
    const rules = world.all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule");
    expect(rules.map(({ name, inputs }) => [name, inputs.cidrIpv4])).toEqual([
      ["authensor-local-drill-from-cluster-10-0-0-0-16", "10.0.0.0/16"],
      ["authensor-local-primary-from-cluster-10-0-0-0-16", "10.0.0.0/16"],
      ["authensor-local-replica-from-cluster-10-0-0-0-16", "10.0.0.0/16"],
    ]);
  });

  test("lets its pods out to the database by port alone: network policies there know no IPv4", () => {
    const egress = world
      .all("kubernetes:networking.k8s.io/v1:NetworkPolicy")
      .flatMap(
        ({ inputs }) => (inputs.spec as { egress?: { to?: unknown; ports?: { port: unknown }[] }[] }).egress ?? [],
      )
      .filter(({ ports }) => ports?.some(({ port }) => port === 5432));
    expect(egress.length).toBeGreaterThan(0);
    for (const rule of egress) expect(rule).not.toHaveProperty("to");
  });
});

describe("a changed setting", () => {
  const inputsOf = (world: World<unknown>) =>
    new Map(world.resources.map(({ type, name, inputs }) => [`${type} ${name}`, JSON.stringify(inputs)]));
  const changedBy = async (config: Record<string, string>) => {
    const [before, after] = [inputsOf(worlds.dev), inputsOf(await run("dev", { config }))];
    return [...after].filter(([key, inputs]) => before.get(key) !== inputs).map(([key]) => key);
  };

  test("of the pools reaches the pooler's configuration, and what the migration limits the roles to", async () => {
    expect(await changedBy({ "authensor-database:reservedConnections": "42" })).toEqual([
      "kubernetes:core/v1:ConfigMap authensor-dev-migrate-expectations",
      "kubernetes:core/v1:ConfigMap authensor-dev-pgbouncer-config",
    ]);
  });

  test.each(["dev", "prod"] as const)(
    "of %s tells the database which programs run on schedule: its CronJobs",
    (stack) => {
      const world = worlds[stack];
      const expectations = world.one("kubernetes:core/v1:ConfigMap", `authensor-${stack}-migrate-expectations`).inputs;
      const [text = ""] = Object.values(expectations.data as Record<string, string>);
      const onSchedule = world
        .all("kubernetes:batch/v1:CronJob")
        .map(({ inputs }) => inputs as { metadata: { name: string }; spec: { suspend: boolean } })
        .flatMap(({ metadata, spec }) => (spec.suspend ? [] : [metadata.name]));
      expect((JSON.parse(text) as { programs: string[] }).programs.sort()).toEqual(onSchedule.sort());
      expect(onSchedule.includes("drill")).toBe(stack === "prod");
    },
  );

  test("of acknowledgedFile adds the findings that were looked into, and every verification reads them", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "acknowledged-")), "findings.json");
    const finding = { finding: "0123456789abcdef", by: "Ana", at: "2026-11-28", reason: "17.11" };
    writeFileSync(file, JSON.stringify([finding]));
    expect((await changedBy({ "authensor-database:acknowledgedFile": file })).sort()).toEqual([
      "kubernetes:batch/v1:CronJob authensor-dev-verify-archived",
      "kubernetes:batch/v1:CronJob authensor-dev-verify-recent",
      "kubernetes:batch/v1:CronJob authensor-dev-verify-whole",
      "kubernetes:core/v1:ConfigMap authensor-dev-acknowledged",
    ]);
  });

  test("of reboots for parameters adds the Job that makes them, and the owner's URL of the replica, alone", async () => {
    const config = { ...configOf("prod"), "authensor-database:rebootForParameters": "true" };
    const { census } = await run("prod", { config });
    expect(census.filter((entry) => !worlds.prod.census.includes(entry))).toEqual([
      "authensor:programs:Reboots authensor-prod-reboot",
      "aws:eks/podIdentityAssociation:PodIdentityAssociation authensor-prod-reboot",
      "aws:iam/role:Role authensor-prod-reboot",
      "aws:iam/rolePolicy:RolePolicy authensor-prod-reboot",
      "kubernetes:batch/v1:Job authensor-prod-reboot",
      "kubernetes:core/v1:ConfigMap authensor-prod-reboot-code",
      "kubernetes:core/v1:ConfigMap authensor-prod-reboot-parameters",
      "kubernetes:core/v1:Secret authensor-prod-owner-replica",
      "kubernetes:core/v1:ServiceAccount authensor-prod-reboot",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy authensor-prod-reboot",
    ]);
  });

  test("of reboots for parameters has them made before the migrations", async () => {
    const world = await run("dev", { config: { "authensor-database:rebootForParameters": "true" } });
    const job = world.one("kubernetes:batch/v1:Job", "authensor-dev-reboot");
    expect(world.one("authensor:programs:Migrations").dependencies).toContain(job.urn);
    const instances = world.all("aws:rds/instance:Instance").map(({ urn }) => urn);
    expect(world.one("authensor:programs:Reboots").dependencies).toEqual(expect.arrayContaining(instances));
  });

  test("of the control plane's image reaches the control plane alone", async () => {
    const image = "ghcr.io/authensor/control-plane:0.0.2";
    expect(await changedBy({ "authensor-database:controlPlaneImage": image })).toEqual([
      "kubernetes:apps/v1:Deployment authensor-dev-control-plane",
    ]);
  });

  test("of the namespace's owner takes away the namespace alone", async () => {
    const types = async (createNamespace: string) =>
      (await run("dev", { config: { "authensor-database:createNamespace": createNamespace } })).census;
    const [own, others] = [await types("true"), await types("false")];
    expect(own.filter((entry) => !others.includes(entry))).toEqual(["kubernetes:core/v1:Namespace authensor-dev"]);
    expect(others.filter((entry) => !own.includes(entry))).toEqual([]);
  });

  test("of a way in makes an Ingress for the control plane, admits the cluster's VPC, and is an output", async () => {
    const certificateArn = "arn:aws:acm:eu-central-1:123456789012:certificate/0f1e";
    const ingress = JSON.stringify({ host: "decisions.example.com", class: "alb", certificateArn });
    const world = await run("dev", { config: { "authensor-database:ingress": ingress } });
    const controlPlane = world.one("kubernetes:core/v1:Service", "authensor-dev-control-plane");
    expect(world.one("authensor:controlPlane:ControlPlaneIngress").dependencies).toContain(controlPlane.urn);
    const policy = world.one("kubernetes:networking.k8s.io/v1:NetworkPolicy", "authensor-dev-control-plane-ingress");
    expect(policy.inputs).toMatchObject({ spec: { ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/16" } }] }] } });
    expect(world.stackOutputs.values).toMatchObject({ controlPlane: { ingressUrl: "https://decisions.example.com" } });
  });

  test("of the ops programs' pods reaches the Job, the CronJobs and the monitor alone", async () => {
    const changed = await changedBy({ "authensor-database:opsPod": '{"nodeSelector":{"pool":"ops"}}' });
    expect(changed.sort()).toEqual([
      "kubernetes:apps/v1:Deployment authensor-dev-monitor",
      ...scheduledNames
        .filter((program) => program !== "drill" && program !== "retire") // there are no copies, and no onlineMonths
        .map((program) => `kubernetes:batch/v1:CronJob authensor-dev-${program}`)
        .sort(),
      "kubernetes:batch/v1:Job authensor-dev-migrate",
    ]);
  });

  test("that protects the data makes a preview name each image that is not pinned by digest", async () => {
    warn.mockClear();
    const settingsNamed = () => warn.mock.calls.map(([message]) => message.split(" ")[0]);
    await run("dev");
    expect(settingsNamed()).toEqual([]);
    await run("prod");
    expect(settingsNamed()).toEqual(["pgbouncerImage", "controlPlaneImage", "opsImage"]);
    warn.mockClear();
    const pinned = `node:22.21.1-alpine3.22@sha256:${"a".repeat(64)}`;
    await run("prod", { config: { "authensor-database:opsImage": pinned } });
    expect(settingsNamed()).toEqual(["pgbouncerImage", "controlPlaneImage"]);
  });

  test("that is wrong creates nothing at all", async () => {
    const seen: Values[] = [];
    const failed = record<unknown>(program, {
      stack: "dev",
      config: { ...configOf("dev"), "authensor-database:replicaRegion": "eu-central-1" },
      computed: { [instance]: (inputs) => (seen.push(inputs), {}) },
    });
    await expect(failed).rejects.toThrow(/replicaRegion = eu-central-1\n {4}rule: must differ from primaryRegion/);
    expect(seen).toEqual([]);
  });
});

test("with another account's bucket no bucket is made, and every program that had ours has that one, with its key", async () => {
  const backupBucketArn = "arn:aws:s3:::their-backups";
  const backupBucketKmsKeyArn = "arn:aws:kms:eu-north-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  const config = Object.fromEntries(
    Object.entries({ backupBucketArn, backupBucketKmsKeyArn }).map(([key, value]) => [
      `authensor-database:${key}`,
      value,
    ]),
  );
  const world = await run("prod", { config });
  const ours = worlds.prod;
  expect(world.census.filter((entry) => /aws:s3|backups-key/.test(entry))).toEqual([]);
  const owner = (account: string) => `{"name":"BACKUP_BUCKET_OWNER","value":"${account}"}`;
  const replaced = (text: string) =>
    text
      .replaceAll("authensor-prod-backups-abc1234", "their-backups")
      .replace(owner("000000000000"), owner("210987654321"))
      .replaceAll(ours.arnOf("aws:kms/key:Key", "authensor-prod-backups-key"), backupBucketKmsKeyArn);
  const inputsOf = (of: typeof world, type: string, name: string) => JSON.stringify(of.one(type, name).inputs);
  for (const program of ["archive", "compact", "hold", "verify-archived", "search", "drill"])
    for (const type of ["aws:iam/rolePolicy:RolePolicy", "kubernetes:batch/v1:CronJob"]) {
      const theirs = inputsOf(world, type, `authensor-prod-${program}`);
      expect(theirs).toContain("their-backups");
      expect(theirs).toBe(replaced(inputsOf(ours, type, `authensor-prod-${program}`)));
    }
  expect(world.stackOutputs.values).toMatchObject({ backupBucket: { name: "their-backups", region: "eu-north-1" } });
  const ownKey = backupBucketKmsKeyArn.replace("210987654321", "000000000000");
  const refused = run("prod", { config: { ...config, "authensor-database:backupBucketKmsKeyArn": ownKey } });
  await expect(refused).rejects.toThrow(/is of account 000000000000, which the database is deployed into/);
});

describe("a kubectl command of the documents", () => {
  interface Labelled {
    metadata: { name?: string; labels?: Record<string, string> };
    spec?: { template?: Labelled; jobTemplate?: Labelled };
  }
  const nameLabel = "app.kubernetes.io/name";
  /** What there is, by the words that kubectl knows it by; and what may be selected by its label. */
  async function known() {
    const whole = await run("prod", { config: { "authensor-database:onlineMonths": "6" } });
    const of = (type: string) => whole.all(`kubernetes:${type}`).map(({ inputs }) => inputs as unknown as Labelled);
    const [deployments, cronJobs] = [of("apps/v1:Deployment"), of("batch/v1:CronJob")];
    const jobs = [...of("batch/v1:Job"), ...cronJobs.flatMap(({ spec }) => spec?.jobTemplate ?? [])];
    const names = (some: Labelled[]) => some.map(({ metadata: { name } }) => name);
    const labels = (some: (Labelled | undefined)[]) => some.map((one) => one?.metadata.labels?.[nameLabel]);
    return {
      named: { deploy: names(deployments), deployment: names(deployments), cronjob: names(cronJobs) } as Partial<
        Record<string, unknown[]>
      >,
      jobs: labels(jobs),
      pods: labels([...deployments, ...jobs].map(({ spec }) => spec?.template)),
    };
  }

  test("names what the program makes, in its namespace, and selects by labels that are there", async () => {
    const { named, jobs, pods } = await known();
    const commands = documentedCommands("kubectl");
    expect(commands.length).toBeGreaterThan(40);
    const wrong = commands.flatMap(({ where, words }) => {
      const problems = words.flatMap((word, i) => {
        const next = words[i + 1] ?? "";
        if (word === "-n") return /^(authensor|<namespace>)$/.test(next) ? [] : [`namespace ${next}`];
        if (word === "-l") {
          const [label, value] = next.split("=");
          return label === nameLabel && (words.includes("jobs") ? jobs : pods).includes(value) ? [] : [next];
        }
        const [, kind = word, name = next] = /^(?:--from=)?(\w+)\/(.*)$/.exec(word) ?? [];
        return !named[kind] || /^($|[-<$])/.test(name) || named[kind].includes(name) ? [] : [`${kind} ${name}`];
      });
      return problems.map((problem) => `${where}: there is no ${problem}`);
    });
    expect(wrong).toEqual([]);
  });
});
