import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import program from "../..";
import { matches } from "../../cloud/aws/iam/policy";
import { actionsOf } from "./deployActions";
import { askedFor } from "./deployResources";
import { record, type World } from "./mocks";
import { configOf } from "./stacks";

interface Statement {
  Sid: string;
  Effect: string;
  Action: string[];
  Resource: string | string[];
  Condition?: { StringEquals?: Record<string, string[]> };
}

const statementsOf = (name: string) =>
  (JSON.parse(readFileSync(join(__dirname, `../../docs/iam/${name}.json`), "utf8")) as { Statement: Statement[] })
    .Statement;
const actions = (statements: readonly Statement[]) => statements.flatMap(({ Action }) => Action).sort();
const isReading = (action: string) => /^\w+:(Get|List|Describe)/.test(action);

let world: World<unknown>;
let lookUps: string[];
let made: string[];
beforeAll(async () => {
  const key = "arn:aws:kms:eu-central-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  const config = { ...configOf("prod"), "authensor-database:primaryKmsKeyArn": key };
  world = await record<unknown>(program, { stack: "prod", config });
  // Asked in a failover alone.
  lookUps = [...new Set([...world.invoked.map(({ token }) => token), "aws:rds/getInstance:getInstance"])];
  made = [...new Set(world.resources.filter(({ custom }) => custom).map(({ type }) => type))];
});

/** What these types ask for that only reads, each with each resource. */
const asked = (types: readonly string[]) =>
  types.flatMap((type) =>
    (actionsOf[type] ?? []).flatMap((action) =>
      (askedFor(type, action) ?? []).map((resource) => ({ action, resource })),
    ),
  );

const unanswered = (statements: readonly Statement[], wanted: ReturnType<typeof asked>) =>
  wanted.filter(
    ({ action, resource }) =>
      !statements.some(
        ({ Action, Resource }) =>
          Action.includes(action) &&
          [Resource].flat().some((pattern) => (resource === "*" ? pattern === "*" : matches(pattern, resource))),
      ),
  );

describe.each(["preview", "drift"])("the policy for %s", (name) => {
  const statements = statementsOf(name);

  test("only allows, only reads, names each action, and reads no secret and nothing out of the bucket", () => {
    for (const { Effect } of statements) expect(Effect).toBe("Allow");
    expect(actions(statements).filter((action) => !isReading(action) || action.includes("*"))).toEqual([]);
    expect(actions(statements)).not.toEqual(expect.arrayContaining(["secretsmanager:GetSecretValue"]));
    expect(actions(statements).filter((action) => /^s3:GetObject|^kms:Decrypt$/.test(action))).toEqual([]);
  });

  test("is limited to production's regions, IAM aside, which knows none", () => {
    const regions = Object.values(world.stackOutputs.values.regions as Record<string, string>).sort();
    for (const { Sid, Action, Condition } of statements) {
      const limit = Condition?.StringEquals?.["aws:RequestedRegion"];
      const isIam = Action.every((action) => action.startsWith("iam:"));
      expect([Sid, limit && [...limit].sort()]).toEqual([Sid, isIam ? undefined : regions]);
    }
  });

  test("fits into a managed policy, 6,144 characters", () => {
    expect(JSON.stringify(statements).length).toBeLessThan(6_000);
  });
});

describe("what a preview asks AWS for", () => {
  test("is exactly what its policy allows: what the program's look-ups call, each on what it is asked for", () => {
    const needed = [...new Set(lookUps.flatMap((token) => actionsOf[token] ?? []))];
    expect(actions(statementsOf("preview"))).toEqual(needed.sort());
    expect(unanswered(statementsOf("preview"), asked(lookUps))).toEqual([]);
  });
});

describe("what looking for drift asks AWS for", () => {
  test("is exactly what its policy allows: that, and what reading every resource calls, but for a secret's value", () => {
    const all = asked([...lookUps, ...made]).filter(
      ({ action }) => isReading(action) && action !== "secretsmanager:GetSecretValue",
    );
    expect(actions(statementsOf("drift"))).toEqual([...new Set(all.map(({ action }) => action))].sort());
    expect(unanswered(statementsOf("drift"), all)).toEqual([]);
  });
});
