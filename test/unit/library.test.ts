/** The components as others install them: the package is packed, unpacked elsewhere with what it declares, and the examples use it. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backupBucketDefaults } from "../../components/backup/backupBucket";
import { daysOfMonths } from "../../components/backup/backupRules";
import { databaseDefaults } from "../../components/database/database";
import { logRetentionOf } from "../../components/database/serverLogs";
import { scheduledDefaults } from "../../components/programs/scheduled";
import { schemaDefaults } from "../../components/programs/schema";
import { parseSettings } from "../../settings";
import { bundleMigrations, bundleOps } from "../../components/programs/opsBundle";
import { sources } from "../../components/programs/sources";
import { componentPages, undescribed } from "../../library/pages";
import { rules } from "../../review/rules";
import { judge, levelOf, type Configuration } from "./policies";
import { record, type Options, type Recorded, type Values } from "./mocks";

const root = join(__dirname, "../..");
const installed = mkdtempSync(join(tmpdir(), "library-"));
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Record<string, Record<string, string>>;
const manifest = read(join(root, "library/package.json"));
const dependencies = Object.keys(manifest.dependencies!);
const packageName = manifest.name as unknown as string;
const examples = readdirSync(join(root, "examples"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

/** What the test's own machine has of a package, under the place where it is installed. */
function link(name: string) {
  const to = join(installed, "node_modules", name);
  mkdirSync(dirname(to), { recursive: true });
  symlinkSync(join(root, "node_modules", name), to);
}

beforeAll(() => {
  const packed = execFileSync("npm", ["pack", "--pack-destination", installed, "--json"], {
    cwd: join(root, "library"),
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf("["))) as [{ filename: string }];
  const into = join(installed, "node_modules", packageName);
  mkdirSync(into, { recursive: true });
  execFileSync("tar", ["-xzf", join(installed, filename), "-C", into, "--strip-components=1"]);
  for (const name of [...dependencies, "@types/node"]) link(name);
  cpSync(join(root, "examples"), join(installed, "examples"), { recursive: true });
});
afterAll(() => rmSync(installed, { recursive: true, force: true }));

const tsc = (...args: string[]) => {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  return execFileSync(process.execPath, [compiler, ...args], { cwd: installed, encoding: "utf8" });
};

type Program = () => Promise<Values>;

const subnets = { primary: ["subnet-1a", "subnet-1b"], replica: ["subnet-2a", "subnet-2b"] };
const keys = { primary: "eu-central-1", replica: "eu-west-1", backup: "eu-north-1" };
const settings = {
  cluster: "platform",
  replicaVpcId: "vpc-other",
  subnets: JSON.stringify(subnets),
  kmsKeyArns: JSON.stringify(
    Object.fromEntries(Object.entries(keys).map(([of, region]) => [of, `arn:aws:kms:${region}:111111111111:key/1`])),
  ),
  clientSecurityGroupIds: '["sg-clients"]',
};
const config = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`authensor-database:${key}`, value]));

/** An example from where the package is installed. */
const run = (example: string, options: Options = {}) =>
  record(createRequire(join(installed, "index.js"))(`./made/${example}`) as Program, { config, ...options });
const worlds = new Map<string, ReturnType<typeof run>>();
const made = (example: string) => worlds.get(example) ?? worlds.set(example, run(example)).get(example)!;

describe("docs/components", () => {
  test("has a page for each component, as the types and comments are (npm run components)", () => {
    const directory = join(root, "docs/components");
    const written = readdirSync(directory).map((file) => [file, readFileSync(join(directory, file), "utf8")] as const);
    expect(Object.fromEntries(written)).toEqual(componentPages());
  });

  test("says of each argument and each function what it is", () => {
    expect(undescribed()).toEqual([]);
  });
});

describe("the package", () => {
  test("needs nothing that this repository does not test it with", () => {
    const { dependencies: tested } = read(join(root, "package.json"));
    expect(tested).toMatchObject(manifest.dependencies!);
  });

  test("lets the examples compile against its types", () => {
    const compilerOptions = { strict: true, target: "es2022", module: "node16", skipLibCheck: true, outDir: "made" };
    const config = { compilerOptions: { ...compilerOptions, rootDir: "examples" }, include: ["examples/*/index.ts"] };
    writeFileSync(join(installed, "tsconfig.json"), JSON.stringify(config));
    tsc("-p", ".");
    expect(readdirSync(join(installed, "made")).sort()).toEqual(examples);
  });

  test.each(examples)("previews and makes %s, and tells no secret", async (example) => {
    const planned = await run(example, { preview: true });
    const world = await made(example);
    expect(planned.census).toEqual(world.census);
    world.expectNothingSecretInPlain();
  });

  test("brings the schema and the programs along", async () => {
    const world = await made("database-only");
    const bundles = await bundleOps(sources, root);
    const data = world.all("kubernetes:core/v1:ConfigMap").map(({ inputs }) => inputs.data);
    expect(data).toContainEqual(bundleMigrations(join(root, "sql")).files);
    expect(data).toContainEqual({ "partitions.js": bundles.partitions });
    expect(world.all("kubernetes:apps/v1:Deployment")).toEqual([]);
  });
});

describe("the examples", () => {
  test.each(examples)("%s keeps to the policy pack, with the exceptions that are written down", async (example) => {
    const configuration = read(join(root, "examples/policy.json")) as Configuration;
    const { violations } = judge((await made(example)).resources, configuration);
    expect(violations.filter(({ rule }) => levelOf(rule, configuration) === "mandatory")).toEqual([]);
  });

  test("make nothing of a network, and no key, where both are there", async () => {
    const world = await made("own-network");
    const types = world.resources.map(({ type }) => type);
    expect(
      types.filter((type) => /^aws:(ec2\/(?!securityGroup:)|kms|vpc\/(?!securityGroupIngressRule:))/.test(type)),
    ).toEqual([]);
    const servers = world.all("aws:rds/subnetGroup:SubnetGroup").map(({ inputs }) => inputs.subnetIds);
    expect(servers).toEqual([subnets.primary, subnets.replica]);
    const ways = world.all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").map(({ inputs }) => inputs);
    expect(ways[0]).toMatchObject({ referencedSecurityGroupId: "sg-clients" });
  });

  test("of several environments in one account give no name and no route twice", async () => {
    const world = await made("several-environments");
    const taken = world.resources.flatMap(({ type, inputs }) => {
      const { region, routeTableId, destinationCidrBlock } = inputs;
      const { name: object, namespace } = (inputs.metadata ?? {}) as Values;
      const fixed = ["name", "identifier", "bucket", "alarmName"].flatMap((property) => inputs[property] ?? []);
      // What is configured of a bucket or a role names it too.
      const own = /Bucket[A-Z]|Replication/.test(type) ? [] : fixed;
      return [
        ...own,
        ...(object === undefined ? [] : [{ namespace, object }]),
        ...(destinationCidrBlock === undefined ? [] : [{ routeTableId, destinationCidrBlock }]),
      ].map((name) => JSON.stringify({ type, region, name }));
    });
    expect(taken.length).toBeGreaterThan(40);
    expect(taken.filter((name, index) => taken.indexOf(name) !== index)).toEqual([]);
  });

  test("find what they made before, since whatever holds data or a password keeps its URN, or has an alias for it", async () => {
    const { resources } = await made("database-only");
    const holds = ({ type }: Recorded) => rules[type]?.holds !== undefined || type.startsWith("random:");
    const known = new Set(resources.filter(holds).flatMap(({ urn, formerly }) => [urn, ...formerly]));
    const before = readFileSync(join(__dirname, "libraryUrns.txt"), "utf8").trim().split("\n");
    expect(before.filter((urn) => !known.has(urn))).toEqual([]);
    // Of a new resource: enter it, so that it is found from now on.
    expect(before.length).toBe(resources.filter(holds).length);
  });
});

test("what a component is not told is as this program's settings are where nothing is set", () => {
  const { database, backup, partitions } = parseSettings({
    ...{
      environment: "trial",
      eksClusterName: "c",
      instanceClass: "db.r7g.large",
      replicaInstanceClass: "db.r7g.large",
    },
    ...{ primaryRegion: "eu-central-1", replicaRegion: "eu-west-1", backupRegion: "eu-north-1" },
  });
  const months = backup.receiptRetentionMonths;
  expect({ failovers: 0, ...database, logRetentionDays: logRetentionOf(months) }).toMatchObject(databaseDefaults);
  expect({ ...database, ...backup, retentionDays: daysOfMonths(months) }).toMatchObject(backupBucketDefaults);
  expect({ ...backup, ...partitions }).toMatchObject(scheduledDefaults);
  expect({ ...database, expectations: { ...partitions, connections: {} } }).toMatchObject(schemaDefaults);
});
