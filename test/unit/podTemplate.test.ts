import { describe, expect, test } from "vitest";
import { type PodArgs, podTemplate, type PodTemplate } from "../../components/pods/podTemplate";
import { ControlPlane } from "../../components/controlPlane/controlPlane";
import { Migrations } from "../../components/programs/migrations";
import { Pgbouncer } from "../../components/pooling/pgbouncer";
import type { DatabaseConnections } from "../../components/programs/databaseConnection";
import { Scheduled } from "../../components/programs/scheduled";
import { scheduledPrograms } from "../../components/programs/scheduledPrograms";
import { credentials, ofControlPlane } from "../credentials";
import { record, type World } from "./mocks";
import { scheduledInputs } from "./scheduledInputs";

const template: PodTemplate = {
  metadata: { labels: { app: "x" } },
  spec: {
    restartPolicy: "Never",
    containers: [
      { name: "main", image: "a:1", resources: { requests: { cpu: "100m" }, limits: { cpu: "1", memory: "1Gi" } } },
      { name: "second", image: "b:1", resources: { limits: { cpu: "1" } } },
    ],
    volumes: [],
  },
};

const dnsConfig = { options: [{ name: "ndots", value: "2" }] };
const made = { ...template, spec: { ...template.spec, dnsConfig } };

describe("a pod template", () => {
  test("has a Service's full name asked for as it stands, without the search list first", () => {
    const ndots = Number(dnsConfig.options[0]!.value);
    expect(podTemplate({}, template).spec.dnsConfig).toEqual(dnsConfig);
    expect("pgbouncer.authensor.svc.cluster.local".split(".").length - 1).toBeGreaterThanOrEqual(ndots);
  });

  test("is as the component makes it where nothing is asked for", () => {
    expect(podTemplate({}, template)).toEqual(made);
    expect(podTemplate({ pod: {} }, template)).toEqual(made);
    expect(podTemplate({ pod: { nodeSelector: undefined, resources: undefined } }, template)).toEqual(made);
  });

  test("takes each property that the platform asks for", () => {
    const tolerations = [{ key: "db", operator: "Exists" }];
    const pod = { nodeSelector: { pool: "db" }, tolerations, priorityClassName: "high", imagePullSecrets: ["a", "b"] };
    expect(podTemplate({ pod }, template).spec).toEqual({
      ...made.spec,
      nodeSelector: { pool: "db" },
      tolerations,
      priorityClassName: "high",
      imagePullSecrets: [{ name: "a" }, { name: "b" }],
    });
  });

  test("takes resources whole, for each container: no limit stays that was not named", () => {
    const resources = { requests: { cpu: "2", memory: "1Gi" } };
    expect(podTemplate({ pod: { resources } }, template).spec.containers).toEqual([
      { name: "main", image: "a:1", resources },
      { name: "second", image: "b:1", resources },
    ]);
  });

  test("is handed to the transform last, overrides in it, and what that returns is used", () => {
    const seen: PodTemplate[] = [];
    const made = podTemplate(
      {
        pod: { priorityClassName: "high" },
        transform: {
          podTemplate: (given) => {
            seen.push(given);
            return { ...given, metadata: { ...given.metadata, annotations: { "linkerd.io/inject": "enabled" } } };
          },
        },
      },
      template,
    );
    expect(seen.map(({ spec }) => spec.priorityClassName)).toEqual(["high"]);
    expect(made).toEqual({
      metadata: { labels: { app: "x" }, annotations: { "linkerd.io/inject": "enabled" } },
      spec: { ...template.spec, dnsConfig, priorityClassName: "high" },
    });
  });
});

describe("the pods of each component", () => {
  const shared = { namespace: "ns", image: "x:1", trustSecret: "trust" };
  const database = { name: "owner", key: "url", egress: {} };
  const logins = credentials({
    controlPlane: "p",
    app: "a",
    telemetry: "t",
    monitor: "m",
    auditor: "u",
    verifier: "v",
    archiver: "c",
    maintenance: "x",
  });
  const build: Record<string, (args: PodArgs) => Promise<World<unknown>>> = {
    ControlPlane: (args) =>
      record(
        () =>
          new ControlPlane("c", {
            ...shared,
            ...args,
            sharedNamespace: false,
            guard: "",
            minPods: 2,
            maxPods: 4,
            databaseUrl: { name: "u", key: "url" },
            preparedStatements: 32,
            env: {},
          }),
      ),
    Pgbouncer: (args) =>
      record(
        () =>
          new Pgbouncer("p", {
            ...shared,
            ...args,
            pods: 2,
            pools: { controlPlane: 5, app: 2, telemetry: 2, auditor: 1 },
            maxClients: 500,
            preparedStatements: 32,
            lanes: 1,
            database: { host: "db", port: 5432, blocks: ["10.0.0.0/16"] },
            credentials: logins,
            controlPlane: ofControlPlane(logins),
            certificate: { certificatePem: "c", keyPem: "k" },
          }),
      ),
    Migrations: (args) =>
      record(
        () =>
          new Migrations("m", {
            ...shared,
            ...args,
            bundle: "",
            postgresVersion: "17",
            database,
            migrations: { files: { "001_a.sql": "select 1;" }, hash: "abc" },
            credentials: logins,
            expectations: { parameters: {}, monthsAhead: 3, connections: {}, programs: [] },
            parameterWaitMinutes: 10,
          }),
      ),
    Scheduled: (args) =>
      record(
        () =>
          new Scheduled("s", {
            ...shared,
            ...args,
            region: "eu-central-1",
            eksClusterName: "platform",
            program: "partitions",
            entry: scheduledPrograms.partitions,
            schedule: "@daily",
            code: { partitions: { configMap: "partitions-code-1", file: "partitions.js" } },
            connections: { maintenance: database } as DatabaseConnections,
            inputs: scheduledInputs,
          }),
      ),
  };

  interface Spec {
    template?: PodTemplate;
    jobTemplate?: { spec: { template: PodTemplate } };
  }
  const templateOf = (world: World<unknown>) => {
    const workload = world.resources.find(({ type }) => /:(Deployment|Job|CronJob)$/.test(type));
    const spec = workload?.inputs.spec as Spec;
    return spec.template ?? spec.jobTemplate!.spec.template;
  };

  test.each(Object.entries(build))("of %s take the overrides and the transform", async (_name, component) => {
    const made = templateOf(
      await component({
        pod: { nodeSelector: { pool: "db" }, resources: { requests: { cpu: "3", memory: "3Gi" } } },
        transform: { podTemplate: (given) => ({ ...given, spec: { ...given.spec, hostAliases: [] } }) },
      }),
    );
    expect(made.spec).toMatchObject({ nodeSelector: { pool: "db" }, hostAliases: [] });
    expect(made.spec.containers[0]).toMatchObject({ resources: { requests: { cpu: "3", memory: "3Gi" } } });
  });
});
