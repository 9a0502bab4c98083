import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import program from "../..";
import { matches } from "../../cloud/aws/iam/policy";
import { actionsOf } from "./deployActions";
import { askedFor, isAskedWithoutName } from "./deployResources";
import { record, type World } from "./mocks";
import { configOf, stacks } from "./stacks";
import { worldOf } from "./worlds";

interface Statement {
  Sid: string;
  Effect: string;
  Action: string[];
  Resource: string | string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

const text = (file: string) => readFileSync(join(__dirname, "../..", file), "utf8");
const files = ["deploy", "alarms"].map((name) => text(`docs/iam/${name}.json`));
const statements = files.flatMap((file) => (JSON.parse(file) as { Statement: Statement[] }).Statement);
const listed = <T>(value: T | T[]) => (Array.isArray(value) ? value : [value]);
const allowed = new Set(statements.flatMap(({ Action }) => listed(Action)));

let worlds: World<unknown>[];
let used: Set<string>;
beforeAll(async () => {
  worlds = [];
  for (const stack of stacks) worlds.push(await worldOf(stack));
  const types = worlds.flatMap((world) => world.resources.filter(({ custom }) => custom).map(({ type }) => type));
  const lookUps = worlds.flatMap((world) => world.invoked.map(({ token }) => token));
  used = new Set([...types, ...lookUps].filter((type) => type.startsWith("aws:")));
});

/** Each action of each type in use, with each resource that it is asked for. */
const asked = () =>
  [...used].flatMap((type) =>
    (actionsOf[type] ?? []).flatMap((action) =>
      (askedFor(type, action) ?? [`unknown: ${type}`]).map((resource) => ({ action, resource })),
    ),
  );

/** What is asked without a name is covered by "*" alone. */
const covers = (pattern: string, arn: string) => (arn === "*" ? pattern === "*" : matches(pattern, arn));

test("README names the version of the Pulumi command line that Pulumi.yaml requires", () => {
  const [, required] = /^requiredPulumiVersion: ">=(\d+\.\d+)\.0"$/m.exec(text("Pulumi.yaml")) ?? [];
  expect(text("README.md")).toContain(`(https://www.pulumi.com/docs/install/) ${required} or later`);
});

/** With every role that there can be. */
let complete: World<unknown>;
beforeAll(async () => {
  const all = {
    ...configOf("prod"),
    "authensor-database:rebootForParameters": "true",
    "authensor-database:onlineMonths": "6",
  };
  complete = await record(program, { stack: "prod", config: all });
});
const actionsOfRoles = () =>
  complete.all("aws:iam/rolePolicy:RolePolicy").map(({ name, inputs }) => {
    const { Statement } = JSON.parse(inputs.policy as string) as { Statement: Pick<Statement, "Action">[] };
    return [name, [...new Set(Statement.flatMap(({ Action }) => listed(Action)))].sort()] as const;
  });

test("the documentation lists what a permissions boundary must allow, role by role, and no more", () => {
  const rows = [...text("docs/iam/README.md").matchAll(/^\| `authensor-<environment>-(\S+)`.*? \| (.*) \|$/gm)];
  const documented = rows.map(([, role, cell = ""]) => {
    const named = [...cell.matchAll(/`(\w+:\w+)`/g)].map(([, action]) => action);
    return [`authensor-prod-${role}`, named.sort()] as const;
  });
  const roles = complete.all("aws:iam/role:Role").map(({ name }) => [name, []] as const);
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries([...roles, ...actionsOfRoles()]));
});

test.each([
  ["place or lift a legal hold, but that of hold", "s3:PutObjectLegalHold", ["authensor-prod-hold"]],
  ["shorten a lock", "s3:PutObjectRetention", []],
  ["pass a lock by", "s3:BypassGovernanceRetention", []],
  ["delete what the bucket has", "s3:DeleteObject", []],
  ["delete a version of it", "s3:DeleteObjectVersion", []],
])("no role may %s", (_, action, but) => {
  const may = actionsOfRoles().filter(([, actions]) => actions.some((pattern) => matches(pattern, action)));
  expect(may.map(([name]) => name)).toEqual(but);
});

describe("the policy for whoever deploys", () => {
  test("is known for every resource and every look-up of every stack", () => {
    expect([...used].filter((type) => actionsOf[type] === undefined)).toEqual([]);
  });

  test("allows every action that one of them needs", () => {
    const needed = new Set([...used].flatMap((type) => actionsOf[type] ?? []));
    expect([...needed].filter((action) => !allowed.has(action))).toEqual([]);
  });

  test("allows each action on what it is asked for, by a statement that has both", () => {
    const unanswered = asked().filter(
      ({ action, resource }) =>
        !statements.some(
          ({ Action, Resource }) =>
            listed(Action).includes(action) && listed(Resource).some((one) => covers(one, resource)),
        ),
    );
    expect(unanswered).toEqual([]);
  });

  test("names in a statement no resource that none of its actions is asked for, and no action that none of its resources answers", () => {
    for (const { Sid, Action, Resource } of statements) {
      const here = asked().filter(({ action }) => Action.includes(action));
      for (const pattern of listed(Resource))
        expect([Sid, pattern, here.some(({ resource }) => covers(pattern, resource))]).toEqual([Sid, pattern, true]);
      for (const action of Action) {
        const answered = here.some(
          (one) => one.action === action && listed(Resource).some((p) => covers(p, one.resource)),
        );
        expect([Sid, action, answered]).toEqual([Sid, action, true]);
      }
    }
  });

  test("allows no action that none of them needs, and none by a wildcard", () => {
    const needed = new Set([...used].flatMap((type) => actionsOf[type] ?? []));
    expect([...allowed].filter((action) => !needed.has(action))).toEqual([]);
    for (const action of allowed) expect(action).toMatch(/^[a-z0-9]+:[A-Za-z0-9]+$/);
    for (const { Effect } of statements) expect(Effect).toBe("Allow");
  });

  test("allows on every resource what is asked without a name, and nothing that has a name", () => {
    const everywhere = statements.filter(({ Resource }) => Resource === "*").flatMap(({ Action }) => listed(Action));
    const named = everywhere.filter((action) => !isAskedWithoutName(action));
    // Only looked at; and the key's tag is asked for before the key has a name.
    expect(named).toEqual(["ec2:DescribeVpcAttribute", "kms:TagResource"]);
  });

  test("is limited to production's regions, IAM aside, which knows none", () => {
    const { values } = worlds[stacks.indexOf("prod")]!.stackOutputs;
    const regions = Object.values(values.regions as Record<string, string>).sort();
    for (const { Sid, Action, Condition } of statements) {
      const isIam = listed(Action).every((action) => action.startsWith("iam:"));
      const limit = Condition?.StringEquals?.["aws:RequestedRegion"];
      expect([Sid, limit && [...listed(limit)].sort()]).toEqual([Sid, isIam ? undefined : regions]);
    }
  });

  test("names no resource of another environment; what has no name of ours is held by the environment's tag, or only looked at", () => {
    const unlimited = statements.filter(
      ({ Resource, Condition }) =>
        !listed(Resource).every((arn) => /[:/]authensor-prod-\*$/.test(arn)) &&
        !JSON.stringify(Condition ?? {}).includes("Tag/authensor:environment"),
    );
    const why: Record<string, string> = {
      Look: "looks",
      LookAtTheCluster: "looks",
      MakeInVpc: "the VPC of what is made: the cluster's is not ours",
      Accept: "a peering has no tag in the accepter's region yet",
      Route: "the route tables of the cluster's subnets are not ours",
      Database: "auto-backup ids are RDS'",
      DefaultGroups: "of RDS",
      RdsOwnRole: "of RDS",
      AlarmsWithoutName: "CloudWatch and SNS ask for them on everything",
      PodIdentity: "the cluster is not ours, and an association has an id of EKS': of that cluster alone",
    };
    expect(unlimited.map(({ Sid }) => Sid).sort()).toEqual(Object.keys(why).sort());
  });

  test("finds its tag on everything that it holds by a tag, and its prefix in every name", () => {
    const world = worlds[stacks.indexOf("prod")]!;
    const tagged = world.resources.filter(({ type, inputs }) => type.startsWith("aws:") && "tags" in inputs);
    for (const { type, name, inputs } of tagged)
      expect([type, name, (inputs.tags as Record<string, string>)["authensor:environment"]]).toEqual([
        type,
        name,
        "prod",
      ]);
    const byTag = ["Vpc", "Subnet", "RouteTable", "SecurityGroup", "SecurityGroupIngressRule", "VpcPeeringConnection"];
    for (const kind of [...byTag, "VpcPeeringConnectionAccepter", "DefaultSecurityGroup", "Key"])
      expect(
        tagged.some(({ type }) => type.endsWith(`:${kind}`)),
        kind,
      ).toBe(true);
    const byName = /^aws:(rds|s3|iam|secretsmanager|kms)/;
    for (const { type, name } of world.resources.filter(({ type }) => byName.test(type)))
      expect([type, name.startsWith("authensor-prod-")]).toEqual([type, true]);
  });

  test("passes roles to RDS' monitoring and to pods alone, and lets RDS use keys for its own resources alone", () => {
    const bySid = Object.fromEntries(statements.map((statement) => [statement.Sid, statement]));
    expect(statements.filter(({ Action }) => listed(Action).includes("iam:PassRole"))).toEqual([
      bySid["PassMonitoringRole"],
    ]);
    expect(bySid["PassMonitoringRole"]?.Condition).toEqual({
      StringEquals: { "iam:PassedToService": ["monitoring.rds.amazonaws.com", "pods.eks.amazonaws.com"] },
    });
    expect(bySid["LetRdsUseKeys"]?.Condition?.Bool).toEqual({ "kms:GrantIsForAWSResource": "true" });
    expect(bySid["MonitoringPolicy"]?.Condition?.ArnEquals?.["iam:PolicyARN"]).toBe(
      "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
    );
  });

  test("changes the associations of the one cluster alone", () => {
    const { Resource } = statements.find(({ Sid }) => Sid === "PodIdentity")!;
    const cluster = configOf("prod")["authensor-database:eksClusterName"];
    expect(Resource).toEqual([
      `arn:aws:eks:*:*:cluster/${cluster}`,
      `arn:aws:eks:*:*:podidentityassociation/${cluster}/*`,
    ]);
  });

  test("opens a security group only where the group carries the environment's tag", () => {
    const opens = statements.filter(({ Action }) => Action.includes("ec2:AuthorizeSecurityGroupIngress"));
    for (const { Sid, Resource, Condition } of opens.filter((one) =>
      listed(one.Resource).some((pattern) =>
        covers(pattern, "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-1"),
      ),
    ))
      expect([Sid, Resource, Condition?.StringEquals]).toMatchObject([
        ...["ChangeNetwork", "arn:aws:ec2:*:*:*/*"],
        { "aws:ResourceTag/authensor:environment": "prod" },
      ]);
  });

  test("has what gives a role rights in one statement, for the documented condition that a boundary is on it", () => {
    const gives = ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"];
    for (const { Sid, Action } of statements)
      expect([Sid, listed(Action).filter((action) => gives.includes(action))]).toEqual([
        Sid,
        Sid === "GiveRolesRights" ? gives : [],
      ]);
    expect(statements.find(({ Sid }) => Sid === "GiveRolesRights")?.Action).toEqual(gives);
  });

  test("fits into a role's inline policies, 10,240 characters, and that of alarms into a managed one, 6,144", () => {
    const [deploy = 0, alarms = 0] = files.map((file) => file.replaceAll(/\s/g, "").length);
    expect(deploy).toBeLessThanOrEqual(10_240);
    expect(alarms).toBeLessThanOrEqual(6_144);
  });
});
