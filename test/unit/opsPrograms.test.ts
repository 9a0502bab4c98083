import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunError } from "@pulumi/pulumi/errors";
import { describe, expect, test } from "vitest";
import { acknowledgements } from "../../components/programs/acknowledgements";
import { isCron } from "../../components/programs/cron";
import type { DatabaseConnections } from "../../components/programs/databaseConnection";
import { Migrations, type MigrationsArgs } from "../../components/programs/migrations";
import { Scheduled, type ScheduledArgs } from "../../components/programs/scheduled";
import type { ScheduledProgram } from "../../components/programs/scheduledProgram";
import { scheduledSources } from "../../components/programs/scheduledNames";
import { scheduledPrograms } from "../../components/programs/scheduledPrograms";
import type { NetworkPolicy, PodTemplate } from "./kubernetesTypes";
import { credentials } from "../credentials";
import { record } from "./mocks";
import { scheduledInputs } from "./scheduledInputs";

const shared = {
  namespace: "ns",
  image: "node:22.21.1-alpine3.22",
  trustSecret: "trust-1",
};
const direct = (name: string) => ({
  ...{ name, key: "url" },
  egress: { to: [{ ipBlock: { cidr: "10.0.0.0/16" } }], ports: [{ protocol: "TCP", port: 5432 }] },
});
const pooled = (name: string) => ({
  ...{ name, key: "url" },
  egress: { ports: [{ protocol: "TCP", port: 6432 }] },
  podLabels: { "authensor.io/pgbouncer-client": "true" },
});
const connections: DatabaseConnections = {
  controlPlaneDatabase: pooled("control-plane-1"),
  audit: pooled("audit-1"),
  telemetry: pooled("telemetry-1"),
  auditor: pooled("auditor-1"),
  verifier: direct("verifier-1"),
  archiver: direct("archiver-1"),
  owner: direct("owner-1"),
  maintenance: direct("maintenance-1"),
  monitor: direct("monitor-1"),
  monitorPool: pooled("monitor-pool-1"),
};
const migrationsArgs: MigrationsArgs = {
  ...shared,
  bundle: "// the program",
  postgresVersion: "17",
  database: connections.owner,
  migrations: { files: { "001_a.sql": "select 1;" }, hash: "abc" },
  credentials: credentials(
    { app: "pa", telemetry: "pt", monitor: "pm", auditor: "pu", verifier: "pv", archiver: "pc", maintenance: "px" },
    2,
  ),
  expectations: {
    parameters: { max_connections: "200" },
    monthsAhead: 3,
    connections: { authensor_app: 40 },
    programs: ["partitions"],
  },
  parameterWaitMinutes: 10,
};
const scheduledArgs: ScheduledArgs = {
  ...shared,
  region: "eu-central-1",
  eksClusterName: "platform",
  program: "partitions",
  entry: scheduledPrograms.partitions,
  schedule: "17 3 * * *",
  code: Object.fromEntries(
    scheduledSources.map((source) => [source, { configMap: `${source}-code-1`, file: `${source}.js` }]),
  ),
  connections,
  inputs: scheduledInputs,
};

const migrate = (changed: Partial<MigrationsArgs> = {}) =>
  record(() => new Migrations("m", { ...migrationsArgs, ...changed }));
const schedule = (entry: Partial<ScheduledProgram> = {}, changed: Partial<ScheduledArgs> = {}) =>
  record(() => new Scheduled("p", { ...scheduledArgs, ...changed, entry: { ...scheduledArgs.entry, ...entry } }));

interface Job {
  metadata: Record<string, unknown>;
  spec: Record<string, unknown> & { template: PodTemplate };
}
const jobOf = async (changed?: Partial<MigrationsArgs>) =>
  (await migrate(changed)).one("kubernetes:batch/v1:Job").inputs as unknown as Job;
const cronJobOf = async (entry?: Partial<ScheduledProgram>, changed?: Partial<ScheduledArgs>) =>
  (await schedule(entry, changed)).one("kubernetes:batch/v1:CronJob").inputs as unknown as {
    metadata: Record<string, unknown>;
    spec: Record<string, unknown> & { jobTemplate: { spec: Record<string, unknown> & { template: PodTemplate } } };
  };

describe("an ops program's pod", () => {
  test.each([
    ["migrate", "owner-1", async () => (await jobOf()).spec.template],
    ["partitions", "maintenance-1", async () => (await cronJobOf()).spec.jobTemplate.spec.template],
  ])("of %s runs the reviewed bundle as a user without rights, on a read-only root", async (command, url, template) => {
    const { metadata, spec } = await template();
    expect(metadata.labels).toEqual({ "app.kubernetes.io/name": command, "app.kubernetes.io/part-of": "authensor" });
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: "Never",
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        fsGroup: 1000,
        seccompProfile: { type: "RuntimeDefault" },
      },
    });
    const [container, ...others] = spec.containers;
    expect(others).toEqual([]);
    expect(container).toMatchObject({
      image: shared.image,
      command: ["node", `/app/program/${command}.js`],
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
      },
      resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { cpu: "500m", memory: "256Mi" } },
    });
    expect(container!.volumeMounts.every(({ readOnly }) => readOnly)).toBe(true);
    // A file that its user and group alone may read; no variable holds what a Secret does.
    expect(container!.env).toContainEqual({ name: "DATABASE_URL_FILE", value: "/etc/authensor/database/url" });
    expect(container!.env.filter(({ valueFrom }) => valueFrom)).toEqual([]);
    const mount = container!.volumeMounts.find(({ mountPath }) => mountPath === "/etc/authensor/database");
    expect(spec.volumes.find(({ name }) => name === mount?.name)).toMatchObject({
      secret: { secretName: url, items: [{ key: "url", path: "url" }], defaultMode: 0o440 },
    });
  });

  test.each([
    ["migrate", migrate],
    ["partitions", () => schedule()],
  ])("of %s is reached by nobody and reaches names and the database only", async (command, build) => {
    const { spec } = (await build()).one("kubernetes:networking.k8s.io/v1:NetworkPolicy")
      .inputs as unknown as NetworkPolicy;
    expect(spec).toMatchObject({
      podSelector: { matchLabels: { "app.kubernetes.io/name": command } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [],
    });
    expect(spec.egress).toHaveLength(2);
    expect(spec.egress[1]).toEqual({
      to: [{ ipBlock: { cidr: "10.0.0.0/16" } }],
      ports: [{ protocol: "TCP", port: 5432 }],
    });
  });
});

describe("the migrations", () => {
  test("are a Job with its code, its SQL, its expectations and the passwords to set, each immutable", async () => {
    const world = await migrate();
    expect(world.census).toEqual([
      "authensor:programs:Migrations m",
      "kubernetes:batch/v1:Job m",
      "kubernetes:core/v1:ConfigMap m-code",
      "kubernetes:core/v1:ConfigMap m-expectations",
      "kubernetes:core/v1:ConfigMap m-sql",
      "kubernetes:core/v1:Secret m-passwords",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy m",
    ]);
    for (const { inputs } of world.resources.filter(({ type }) => /ConfigMap|Secret/.test(type)))
      expect(inputs).toMatchObject({ immutable: true });
    const data = (name: string) => world.one("kubernetes:core/v1:ConfigMap", name).inputs.data;
    expect(data("m-code")).toEqual({ "migrate.js": "// the program" });
    expect(data("m-sql")).toEqual({ "001_a.sql": "select 1;" });
    expect(JSON.parse((data("m-expectations") as Record<string, string>)["expectations.json"]!)).toEqual(
      migrationsArgs.expectations,
    );
  });

  test("are run again after a failure, given up in the end, and never removed by the cluster", async () => {
    const { metadata, spec } = await jobOf();
    expect(metadata).toMatchObject({ annotations: { "pulumi.com/replaceUnready": "true" } });
    expect(metadata).not.toHaveProperty("name");
    expect(spec).toMatchObject({ activeDeadlineSeconds: 2400 });
    expect(spec).not.toHaveProperty("ttlSecondsAfterFinished");
    const job = (await migrate()).one("kubernetes:batch/v1:Job");
    expect(job.customTimeouts).toMatchObject({ create: "2460s", update: "2460s" });
  });

  test("have the time that RDS may take to apply parameters on top of their own", async () => {
    const { spec } = await jobOf({ parameterWaitMinutes: 20 });
    expect(spec.template.spec.containers[0]!.env).toContainEqual({ name: "PARAMETER_WAIT_SECONDS", value: "1200" });
    expect(spec).toMatchObject({ activeDeadlineSeconds: 1800 + 1200 });
  });

  test("are tried once, an eviction aside, and never end with a reason that Pulumi would wait on", async () => {
    const { spec } = await jobOf();
    expect(spec).toMatchObject({
      backoffLimit: 0,
      podFailurePolicy: {
        rules: [{ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] }],
      },
    });
    const [container] = spec.template.spec.containers;
    expect(container!.env).toContainEqual({ name: "CONNECT_TIMEOUT_SECONDS", value: "180" });
  });

  test("are found by the program where its environment says", async () => {
    const { spec } = (await jobOf()).spec.template;
    const [container] = spec.containers;
    expect(container!.args).toEqual(["up"]);
    const env = Object.fromEntries(container!.env.map(({ name, value }) => [name, value]));
    expect(env).toMatchObject({
      MIGRATIONS_DIR: "/app/sql",
      ROLE_PASSWORDS_DIR: "/app/passwords",
      EXPECTATIONS_FILE: "/app/expectations/expectations.json",
    });
    const volumeAt = (path: string) => {
      const mount = container!.volumeMounts.find(({ mountPath }) => mountPath === path);
      return spec.volumes.find(({ name }) => name === mount?.name);
    };
    expect(volumeAt("/app/program")).toMatchObject({ configMap: { name: "m-code-abc1234" } });
    expect(volumeAt("/app/sql")).toMatchObject({ configMap: { name: "m-sql-abc1234" } });
    expect(volumeAt("/app/passwords")).toMatchObject({ secret: { secretName: "m-passwords-abc1234" } });
    expect(volumeAt("/app/expectations")).toMatchObject({ configMap: { name: "m-expectations-abc1234" } });
    expect(volumeAt("/etc/authensor/trust")).toMatchObject({ secret: { secretName: "trust-1" } });
  });

  test("set the passwords of both logins of the roles that they make, from files, and not the owner's", async () => {
    const { current, previous } = migrationsArgs.credentials;
    const owner = { user: "authensor_owner", password: "po" } as const;
    const world = await migrate({
      credentials: { current: { ...current, owner }, previous } as MigrationsArgs["credentials"],
    });
    const secret = world.one("kubernetes:core/v1:Secret");
    expect(secret.inputs.stringData).toEqual({
      authensor_app_b: "pa",
      authensor_app: "pa-before",
      authensor_telemetry_b: "pt",
      authensor_telemetry: "pt-before",
      authensor_monitor_b: "pm",
      authensor_monitor: "pm-before",
      authensor_auditor_b: "pu",
      authensor_auditor: "pu-before",
      authensor_verifier_b: "pv",
      authensor_verifier: "pv-before",
      authensor_archiver_b: "pc",
      authensor_archiver: "pc-before",
      authensor_maintenance_b: "px",
      authensor_maintenance: "px-before",
    });
    expect(secret.secrets).toEqual(["stringData"]);
    const rest = world.resources.filter((resource) => resource !== secret);
    expect(JSON.stringify(rest.map(({ inputs }) => inputs))).not.toMatch(/"(pa|pt|pm|pu|pv|pc|px|po)(-before)?"/);
  });

  test("carry the SQL's hash and the server's version in the pod template: another of either is another Job", async () => {
    const carried = async (changes: Partial<MigrationsArgs>) =>
      (await jobOf(changes)).spec.template.metadata.annotations;
    const [sql, version] = ["authensor.io/migrations-sha256", "authensor.io/postgres-version"];
    expect(await carried({ migrations: { files: {}, hash: "abc" } })).toEqual({ [sql]: "abc", [version]: "17" });
    expect(await carried({ migrations: { files: {}, hash: "def" } })).toEqual({ [sql]: "def", [version]: "17" });
    expect(await carried({ postgresVersion: "18" })).toEqual({ [sql]: "abc", [version]: "18" });
    expect(await jobOf()).toEqual(await jobOf());
  });
});

describe("a program on schedule", () => {
  test("is a CronJob and a network policy", async () => {
    expect((await schedule()).census).toEqual([
      "authensor:programs:Scheduled p",
      "kubernetes:batch/v1:CronJob p",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy p",
    ]);
  });

  test("runs in UTC, one run at a time, under a name that a person can type", async () => {
    const { metadata, spec } = await cronJobOf();
    expect(metadata).toMatchObject({ name: "partitions", namespace: "ns" });
    expect(spec).toMatchObject({
      schedule: "17 3 * * *",
      timeZone: "Etc/UTC",
      concurrencyPolicy: "Forbid",
      startingDeadlineSeconds: 43200,
      jobTemplate: { spec: { activeDeadlineSeconds: 2700 } },
    });
  });

  test("is tried again, but not on wrong settings, and an eviction uses up no try", async () => {
    expect((await cronJobOf({ retries: 0 })).spec.jobTemplate.spec).toMatchObject({ backoffLimit: 0 });
    expect((await cronJobOf()).spec.jobTemplate.spec).toMatchObject({
      backoffLimit: 3,
      podFailurePolicy: {
        rules: [
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
          { action: "FailJob", onExitCodes: { operator: "In", values: [2] } },
        ],
      },
    });
  });

  test("gets the environment of its entry in the table", async () => {
    const [container] = (await cronJobOf()).spec.jobTemplate.spec.template.spec.containers;
    expect(container!.env).toContainEqual({ name: "MONTHS_AHEAD", value: "4" });
    expect(scheduledPrograms.partitions.env(scheduledInputs)).toEqual({
      MONTHS_AHEAD: "4",
      LOCK_PATIENCE_SECONDS: "1200",
    });
    // It waits for the same tables.
    expect(scheduledPrograms.retire.env(scheduledInputs)).toMatchObject({ LOCK_PATIENCE_SECONDS: "1200" });
  });

  test("verifies with the findings that were looked into; no other program is told of them", async () => {
    const inputs = { ...scheduledInputs, acknowledged: "acknowledged-1" };
    // It starts a verification of its own.
    expect(scheduledPrograms.drill.knowsAcknowledged).toBe(true);
    const { drill: _, ...others } = scheduledPrograms;
    for (const [program, entry] of Object.entries(others)) {
      const cronJob = await cronJobOf(entry, { inputs, program, entry });
      const { containers, volumes } = cronJob.spec.jobTemplate.spec.template.spec;
      const told = containers[0]!.env.find(({ name }) => name === "ACKNOWLEDGED_FILE")?.value;
      const verifies = program.startsWith("verify-");
      expect([program, told]).toEqual([program, verifies ? "/app/acknowledged/findings.json" : undefined]);
      expect(JSON.stringify(volumes).includes("acknowledged-1")).toBe(verifies);
    }
  });

  test("verifies, and nothing else does, with what the migrations tell the database of the deployment", async () => {
    const { drill: _, ...others } = scheduledPrograms;
    for (const [program, entry] of Object.entries(others)) {
      const cronJob = await cronJobOf(entry, { program, entry });
      const { containers, volumes } = cronJob.spec.jobTemplate.spec.template.spec;
      const named = containers[0]!.env.find(({ name }) => name === "EXPECTATIONS_FILE")?.value;
      const verifies = program.startsWith("verify-");
      expect([program, named]).toEqual([program, verifies ? "/app/expectations/expectations.json" : undefined]);
      expect(JSON.stringify(volumes).includes("expectations-1")).toBe(verifies);
    }
  });

  test("is not made with findings that nobody could read: the preview says what is wrong with the file", () => {
    const file = join(mkdtempSync(join(tmpdir(), "acknowledged-")), "findings.json");
    const finding = { finding: "0123456789abcdef", by: "Ana", at: "2026-11-28", reason: "17.11" };
    writeFileSync(file, JSON.stringify([finding]));
    expect(JSON.parse(acknowledgements(file)!)).toEqual([finding]);
    writeFileSync(file, JSON.stringify([{ ...finding, reason: "" }]));
    expect(() => acknowledgements(file)).toThrow(RunError);
    expect(() => acknowledgements(file)).toThrow(/^acknowledgedFile: .* is no list of acknowledgements; expected \[/);
    expect(() => acknowledgements("/nowhere")).toThrow(/cannot read acknowledgements from \/nowhere/);
    expect(acknowledgements(undefined)).toBeUndefined();
  });

  const egressOf = async (entry: Partial<ScheduledProgram>, changed?: Partial<ScheduledArgs>) => {
    const policy = (await schedule(entry, changed)).one("kubernetes:networking.k8s.io/v1:NetworkPolicy").inputs;
    return (policy as unknown as NetworkPolicy).spec.egress;
  };

  test("reaches what its entry names beside the database", async () => {
    const egress = await egressOf({ egress: () => [{ ports: [{ protocol: "TCP", port: 443 }] }] });
    expect(egress.slice(2)).toEqual([{ ports: [{ protocol: "TCP", port: 443 }] }]);
  });

  test("runs another's program with arguments of its own, where its entry says so", async () => {
    const world = await schedule({ entry: "verify", args: ["--since", "2026-11-01"] }, { program: "verify-month" });
    const { metadata, spec } = world.one("kubernetes:batch/v1:CronJob").inputs as unknown as Awaited<
      ReturnType<typeof cronJobOf>
    >;
    expect(metadata).toMatchObject({ name: "verify-month" });
    expect(spec.jobTemplate.spec.template.spec.containers).toMatchObject([
      { command: ["node", "/app/program/verify.js"], args: ["--since", "2026-11-01"] },
    ]);
    expect(spec.jobTemplate.spec.template.spec.volumes).toContainEqual({
      name: "code",
      configMap: { name: "verify-code-1" },
    });
  });

  test("has a file, a way and an admission for each database of its entry; without a replica nothing of one", async () => {
    const entry = { connection: "auditor", databases: { REPLICA: "replica" } } as const;
    const replica = { name: "replica-1", key: "url", egress: { ports: [{ protocol: "TCP", port: 5433 }] } };
    const withReplica = { connections: { ...connections, replica } };
    const { metadata, spec } = (await cronJobOf(entry, withReplica)).spec.jobTemplate.spec.template;
    const [container] = spec.containers;
    expect(container!.env).toContainEqual({ name: "DATABASE_URL_FILE", value: "/etc/authensor/database/url" });
    expect(container!.env).toContainEqual({ name: "REPLICA_URL_FILE", value: "/etc/authensor/replica/url" });
    const mount = container!.volumeMounts.find(({ mountPath }) => mountPath === "/etc/authensor/replica");
    expect(spec.volumes.find(({ name }) => name === mount?.name)).toMatchObject({
      secret: { secretName: "replica-1" },
    });
    expect(metadata.labels).toMatchObject({ "authensor.io/pgbouncer-client": "true" });
    const ports = (await egressOf(entry, withReplica)).map(({ ports }) => (ports as { port: number }[])[0]?.port);
    expect(ports).toEqual([53, 6432, 5433]);

    expect(await egressOf(entry)).toHaveLength(2);
    expect(JSON.stringify(await cronJobOf(entry))).not.toMatch(/replica/i);
  });

  test("has an identity on AWS only where its entry asks for one, with the rights it asks for", async () => {
    const statements = [{ Effect: "Allow", Action: "s3:PutObject", Resource: "arn:aws:s3:::b/*" }];
    const world = await schedule({ aws: () => ({ description: "it writes", statements }) });
    expect(world.census).toEqual([
      "authensor:programs:Scheduled p",
      "aws:eks/podIdentityAssociation:PodIdentityAssociation p",
      "aws:iam/role:Role p",
      "aws:iam/rolePolicy:RolePolicy p",
      "kubernetes:batch/v1:CronJob p",
      "kubernetes:core/v1:ServiceAccount p",
      "kubernetes:networking.k8s.io/v1:NetworkPolicy p",
    ]);
    const { policy } = world.one("aws:iam/rolePolicy:RolePolicy").inputs as { policy: string };
    expect((JSON.parse(policy) as { Statement: unknown }).Statement).toEqual(statements);
    const { spec } = world.one("kubernetes:batch/v1:CronJob").inputs as unknown as Awaited<
      ReturnType<typeof cronJobOf>
    >;
    const pod = spec.jobTemplate.spec.template.spec;
    expect(pod).toMatchObject({ serviceAccountName: "partitions", automountServiceAccountToken: false });
    expect(pod.containers[0]!.env).toContainEqual({ name: "AWS_REGION", value: "eu-central-1" });
    const account = world.one("kubernetes:core/v1:ServiceAccount").inputs;
    expect(account).toMatchObject({ metadata: { name: "partitions", namespace: "ns" } });
  });
});

describe("the table of programs on schedule", () => {
  test.each(Object.entries<ScheduledProgram>(scheduledPrograms))(
    "%s is a program of ops/, with a schedule that Kubernetes takes or none",
    (name, entry) => {
      expect(existsSync(join(__dirname, `../../ops/${entry.entry ?? name}.ts`))).toBe(true);
      expect(isCron(entry.schedule ?? "@yearly")).toBe(true);
      expect(entry.deadline).toBeGreaterThan(0);
    },
  );

  test("waits for a primary that fails over when a verification ends, so that what was found is told", () => {
    for (const program of ["verify-recent", "verify-whole", "verify-archived"] as const)
      expect(scheduledPrograms[program].env(scheduledInputs), program).toMatchObject({
        CONNECT_TIMEOUT_SECONDS: "180",
      });
  });

  test("verifies daily what is new and weekly all there is, on the replica where there is one, and repeats no run that found something", async () => {
    for (const program of ["verify-recent", "verify-whole"] as const) {
      const entry = scheduledPrograms[program];
      const made = async (there: DatabaseConnections) => {
        const { spec } = await cronJobOf(entry, { program, connections: there });
        const [container] = spec.jobTemplate.spec.template.spec.containers;
        return {
          job: spec.jobTemplate.spec,
          args: container!.args,
          env: (container!.env ?? []).map(({ name }) => name),
        };
      };
      const { job, args, env } = await made({ ...connections, verifierReplica: direct("replica-1") });
      expect(job.backoffLimit).toBe(0);
      expect(args).toEqual(expect.arrayContaining(["--record", program.replace("verify-", "")]));
      expect(env).toEqual(expect.arrayContaining(["DATABASE_URL_FILE", "REPLICA_URL_FILE"]));
      expect((await made(connections)).env).not.toContain("REPLICA_URL_FILE");
    }
  });

  test("keeps what is only run by hand suspended", async () => {
    expect((await cronJobOf(scheduledPrograms.search, { schedule: undefined })).spec.suspend).toBe(true);
    expect((await cronJobOf()).spec.suspend).toBe(false);
  });
});
