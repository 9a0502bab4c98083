import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import markdownIt from "markdown-it";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import program from "../..";
import { runReview } from "../../review/main";
import { readPreview, type Preview } from "../../review/preview";
import { markdown, marker, mostCharacters, terminal } from "../../review/render";
import { reviewOf, stops } from "../../review/review";
import { makesNothing, rules } from "../../review/rules";
import { harmless, restarts } from "../../review/serverRules";
import { record, type World } from "./mocks";
import { configOf } from "./stacks";

const text = (name: string) => readFileSync(join(__dirname, `previews/${name}.json`), "utf8");
const preview = (name: string) => readPreview(text(name), name);
const urn = (type: string, name: string) => `urn:pulumi:prod::authensor-database::${type}::${name}`;

type Steps = NonNullable<Preview["steps"]>;
const stack: Steps[number] = { op: "same", urn: urn("pulumi:pulumi:Stack", "authensor-database-prod") };
const of = (...steps: Steps): Preview => ({ steps: [stack, ...steps], changeSummary: {} });
const state = (inputs: Record<string, unknown>, more: object = {}) => ({ inputs, outputs: {}, ...more });
const instance = "aws:rds/instance:Instance";

const primary = (op: string, more: object = {}): Steps[number] => ({
  op,
  urn: urn(`authensor:primary:Primary$${instance}`, "authensor-prod-primary"),
  oldState: state({ multiAz: true, skipFinalSnapshot: false }, more),
  ...(op !== "delete" && { newState: state({ multiAz: true, kmsKeyId: "other" }) }),
  replaceReasons: ["kmsKeyId"],
  detailedDiff: { kmsKeyId: { kind: "update-replace", inputDiff: true } },
});

describe("what is not a preview", () => {
  const whole = text("larger");
  test.each([
    ["nothing", "", "is empty"],
    ["a preview that was cut off", whole.slice(0, whole.length / 2), "is not one whole JSON text"],
    ["a preview with something behind it", `${whole}error: update failed`, "is not one whole JSON text"],
    ["an empty object", "{}", "has neither steps nor diagnostics"],
    ["no steps", '{"steps":[],"changeSummary":{"same":3}}', "has neither steps nor diagnostics"],
    ["a list", "[]", "is not what pulumi preview --json writes"],
    ["null", "null", "is not what pulumi preview --json writes"],
    ["steps without a name", '{"steps":[{"op":"same"}]}', "(see steps.0.urn)"],
    ["a stream of events", '{"sequence":0}\n{"sequence":1}\n', "unset PULUMI_ENABLE_STREAMING_JSON_PREVIEW"],
  ])("is refused, in one line that quotes none of it: %s", (_what, given, why) => {
    const refusal = () => readPreview(given, "preview.json");
    expect(refusal).toThrow(why);
    expect(refusal).toThrow(/^preview\.json .*; write it anew: pulumi preview --json > preview\.json$/);
  });

  test("ends ./authensor review with 2", () => {
    const { status, stdout, stderr } = spawnSync("./authensor", ["review"], { input: '{"steps":[', encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: standard input is not one whole JSON text \(10 characters\): .*\n$/);
  });

  test("is also a file that is not there", () => {
    expect(() => runReview("/nowhere/preview.json", {})).toThrow("cannot read /nowhere/preview.json: ENOENT");
  });
});

describe("a preview that failed", () => {
  test("is told first, with what the engine said, and never as one without changes", () => {
    const review = reviewOf(preview("wrongSetting"));
    expect(review.whole).toBe(false);
    for (const said of [terminal(review), markdown(review)]) {
      expect(said).toContain("the preview failed");
      expect(said).not.toContain("no changes");
      expect(said).toContain("1 problem in the configuration: lockDays = 0 rule:");
    }
  });

  test("of a protected server tells what would have gone", () => {
    const review = reviewOf(preview("protectedReplica"));
    expect(review.whole).toBe(false);
    expect(terminal(review)).toContain("cannot be deleted because it is protected");
    expect(terminal(review)).toContain(
      "authensor-prod-replica (aws:rds/instance:Instance) is deleted. It holds a copy of every receipt: " +
        "without it nothing can take the primary's place. Protected: the engine refuses it.",
    );
  });

  test("without a summary was cut off, whatever it says", () => {
    expect(reviewOf({ ...of(), changeSummary: null }).whole).toBe(false);
  });
});

describe("what holds data and goes", () => {
  test.each(["replace", "delete", "delete-replaced", "an-operation-of-a-later-engine"])("stops it: %s", (op) => {
    expect(stops(reviewOf(of(primary(op))))).toBe(true);
  });

  test("stops it until it is allowed by its name, and by no other", () => {
    expect(stops(reviewOf(of(primary("replace")), ["authensor-prod-replica"]))).toBe(true);
    const allowed = reviewOf(of(primary("replace")), ["authensor-prod-primary", "authensor-prod-replica"]);
    expect(stops(allowed)).toBe(false);
    expect(allowed.allowedInVain).toEqual(["authensor-prod-replica"]);
  });

  test("is told with why, what it holds and what becomes of that", () => {
    const said = terminal(reviewOf(of(primary("replace"))));
    expect(said).toContain(
      "authensor-prod-primary (aws:rds/instance:Instance) is replaced, since kmsKeyId cannot be changed in place. " +
        "It holds every receipt. A final snapshot stays.",
    );
    expect(said).toContain(
      "This stops here: 1 resource that holds data, or may, would be replaced or deleted. " +
        'If that is meant, allow each by its name: --allow "authensor-prod-primary"',
    );
    expect(said).toContain("no receipt can be stored");
  });

  test.each([
    ["the engine refuses it", primary("delete", { protect: true }), "Protected: the engine refuses it."],
    ["AWS keeps it", primary("delete", { retainOnDelete: true }), "AWS keeps it, and this stack no longer manages it."],
    ["a key, for a time", { op: "delete", urn: urn("aws:kms/key:Key", "k"), oldState: state({}) }, "after 30 days"],
  ] as [string, Steps[number], string][])("has its fate told: %s", (_fate, step, told) => {
    expect(terminal(reviewOf(of(step)))).toContain(told);
  });

  test("is also what nobody knows whether it holds data", () => {
    const table = { op: "delete", urn: urn("aws:dynamodb/table:Table", "t"), oldState: state({}) };
    expect(stops(reviewOf(of(table)))).toBe(true);
    expect(terminal(reviewOf(of(table)))).toContain("Not known whether these hold data");
    expect(stops(reviewOf(of(table), ["t"]))).toBe(false);
  });

  test("is not what merely changes, comes, or is a component", () => {
    const component = { op: "delete", urn: urn("authensor:primary:Primary", "p"), oldState: state({}) };
    expect(stops(reviewOf(of(primary("update"), primary("create"), component)))).toBe(false);
  });
});

describe("protection that goes", () => {
  test("is told: RDS' own and Pulumi's", () => {
    const lost = reviewOf(preview("protectedReplica")).unguarded;
    expect(lost.filter(({ name }) => name === "authensor-prod-primary").map(({ what }) => what)).toEqual([
      "Pulumi no longer refuses to delete it",
      "RDS no longer refuses to delete it",
    ]);
    expect(terminal(reviewOf(preview("protectedReplica")))).toContain("Protection that goes or changes:");
  });

  const lock = urn("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "b");
  test.each([
    [
      "fewer days",
      { backupRetentionPeriod: 35 },
      { backupRetentionPeriod: 7 },
      ["it can be restored to any second of 7 days, no longer of 35"],
    ],
    ["more days", { backupRetentionPeriod: 7 }, { backupRetentionPeriod: 35 }, []],
    [
      "no final snapshot",
      { skipFinalSnapshot: false },
      { skipFinalSnapshot: true },
      ["no final snapshot is made when it is deleted"],
    ],
    ["a final snapshot", { skipFinalSnapshot: true }, { skipFinalSnapshot: false }, []],
    [
      "open to the Internet",
      { publiclyAccessible: false },
      { publiclyAccessible: true },
      ["it gets an address in the Internet"],
    ],
  ])("is what protected before, and not what comes: %s", (_what, before, after, told) => {
    const step = { ...primary("update"), oldState: state(before), newState: state(after) };
    expect(reviewOf(of(step)).unguarded.map(({ what }) => what)).toEqual(told);
  });

  test.each([
    ["update", ["the lock of new objects changes"]],
    ["delete", ["the lock of new objects goes"]],
    ["create", []],
  ])("is the bucket's lock: %s", (op, told) => {
    expect(reviewOf(of({ op, urn: lock, oldState: state({}) })).unguarded.map(({ what }) => what)).toEqual(told);
  });
});

describe("the exit code", () => {
  const directory = mkdtempSync(join(tmpdir(), "review-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const ended = (given: string, allow?: string[]) => {
    writeFileSync(join(directory, "preview.json"), given);
    return runReview(join(directory, "preview.json"), { ...(allow && { allow }) }).exitCode;
  };

  test("is 0 where nothing stops it, 1 where the preview failed, 3 where data goes", () => {
    const replaced = JSON.stringify(of(primary("replace")));
    expect([ended(text("larger")), ended(text("protectedReplica")), ended(replaced)]).toEqual([0, 1, 3]);
    expect(ended(replaced, ["authensor-prod-primary"])).toBe(0);
  });

  test("follows what is allowed, one name to each --allow, before the file or behind it", () => {
    const replica = { ...primary("delete"), urn: urn(instance, "authensor-prod-replica") };
    const file = join(directory, "both.json");
    writeFileSync(file, JSON.stringify(of(primary("replace"), replica)));
    const [one, other] = ["--allow=authensor-prod-primary", "authensor-prod-replica"];
    const ran = (...args: string[]) => spawnSync("./authensor", ["review", ...args], { input: "" }).status;
    expect(ran(one, "--allow", other, file)).toBe(0);
    expect(ran(one, file, "--allow", other)).toBe(0);
    expect(ran(one, file)).toBe(3);
  });
});

describe("a secret", () => {
  test("is told nowhere: not a password's, not a setting's", () => {
    const review = reviewOf(preview("newPasswords"));
    const kinds = review.changes.map(({ change }) => change.type);
    expect(kinds).toEqual(
      expect.arrayContaining(["kubernetes:core/v1:Secret", "random:index/randomPassword:RandomPassword"]),
    );
    for (const said of [terminal(review), markdown(review)]) {
      expect(said).not.toMatch(/nobody-may-read-this|Generated\d+For|ciphertext/);
      expect(said).toContain("[secret]");
    }
  });

  test("is hidden also where the state has not marked it", () => {
    const secret = {
      op: "update",
      urn: urn("kubernetes:core/v1:Secret", "s"),
      oldState: state({ stringData: { url: "postgres://old" } }),
      newState: state({ stringData: { url: "postgres://new" } }),
      detailedDiff: { "stringData.url": { kind: "update", inputDiff: true } },
    };
    const said = terminal(reviewOf(of(secret)));
    expect(said).toContain("stringData.url: [secret] → [secret]");
    expect(said).not.toContain("postgres://");
  });
});

test("what only the deployment will know is told as such, and an item of a list by its name", () => {
  const said = terminal(reviewOf(preview("larger")));
  expect(said).toMatch(
    /volumes\[config\]\.configMap\.name: authensor-prod-pgbouncer-config-[0-9a-f]{7}-abc1234 → \(known after the deployment\)/,
  );
  expect(said).toContain("parameters[max_connections].value: 400 → 500");
});

test("long values are cut, and of two long texts the part that differs is shown", () => {
  const text = (end: string) => `${"same ".repeat(300)}${end}${" rest".repeat(300)}`;
  const step = {
    op: "update",
    urn: urn("kubernetes:core/v1:ConfigMap", "c"),
    oldState: state({ data: text("old") }),
    newState: state({ data: text("new") }),
    detailedDiff: { data: { kind: "update", inputDiff: true } },
  };
  const [line = ""] = terminal(reviewOf(of(step)))
    .split("\n")
    .filter((one) => one.includes("· data:"));
  expect(line).toMatch(/…[same ]+ old rest.* → …[same ]+ new rest/);
  expect(line.length).toBeLessThan(300);
});

describe("hostile names", () => {
  const hostile = [
    "</details><img src=x onerror=alert(1)>",
    "`` ` ``` **bold** @everyone #1 [a](javascript:b)",
    "|a|b|\n\n# heading\r\n::error::stop",
    "\u001b[2J\u202eevil\u0007",
    "x".repeat(5000),
  ];
  const steps = Array.from({ length: 500 }, (_, index) => ({
    ...primary(["replace", "delete", "update"][index % 3]!),
    urn: urn(instance, `${hostile[index % 5]}${index}`),
    replaceReasons: [hostile[index % 4]!],
    detailedDiff: { [`a["${hostile[index % 4]}"]`]: { kind: "update-replace", inputDiff: true } },
  }));
  const diagnostics = hostile.map((message) => ({ severity: "error", message: message.repeat(50) }));
  const review = reviewOf({ ...of(...steps), diagnostics });
  const few = reviewOf(of(...steps.filter((_, index) => index % 3 === 2 && index % 5 < 4).slice(0, 6)));

  test("of 500 resources fit into a comment, and the verdict is in it", () => {
    expect(markdown(review).length).toBeLessThanOrEqual(mostCharacters);
    expect(markdown(review)).toContain("This stops here");
    expect(markdown(review)).toMatch(/and \d+ lines more, in the job's log/);
  });

  test("fit into a comment also where each section has its longest items", () => {
    const longest = "x".repeat(270);
    const items = <T>(item: (name: string) => T) =>
      Array.from({ length: 20 }, (_, index) => item(`${longest}${index}`));
    const rules = items((rule) => ({ rule, what: "y".repeat(270), names: ["n"] }));
    const full: typeof review = {
      ...review,
      policies: { stack: undefined, whole: false, mandatory: rules, advisory: rules, unjudged: rules },
      unguarded: items((name) => ({ name, what: "z".repeat(300) })),
      settings: items((key) => ({ key, before: "b".repeat(80), after: "a".repeat(80) })),
      interruptions: items((name) => ({ what: "w".repeat(250), howLong: "not known", source: "s", names: [name] })),
      costs: items((what) => ({ what, usd: 1 })),
      allowedInVain: items((name) => name),
      diagnostics: ["error", "warning"].flatMap((severity) => items((message) => ({ severity, message }))),
      losses: items((name) => ({ ...review.losses[0]!, change: { ...review.losses[0]!.change, name } })),
      strangers: items((name) => ({ ...review.losses[0]!.change, name })),
    };
    expect(markdown(full).length).toBeLessThanOrEqual(mostCharacters);
    expect(markdown(full)).toMatch(/and \d+ more, in the job's log/);
  });

  test("are shown as far as there is room where an item is too long, and stay text", () => {
    const names = Array.from({ length: 8 }, (_, index) => `![${index}](x) <img src=x> \`\`\` ${"n".repeat(100)}`);
    const rule = { rule: "a-rule", what: "it does not", names };
    const policies = { stack: undefined, whole: true, mandatory: [rule], advisory: [], unjudged: [] };
    const comment = markdown(reviewOf(preview("larger"), [], policies));
    expect(comment).toMatch(/^- `+.*a-rule.*n{100}.*`+ … \(cut; whole in the job's log\)$/m);
    expect(markdownIt({ html: true }).render(comment)).not.toMatch(/<img/);
  });

  test("stay text in Markdown: no tag, no emphasis, no link of theirs", () => {
    for (const one of [review, few]) {
      const html = markdownIt({ html: true }).render(markdown(one));
      const outside = html.replace(/<code[\s\S]*?<\/code>/g, "");
      expect(outside).not.toMatch(/<img|<a href="java|@everyone|<h1|<table|<strong>bold/);
      expect(html.match(/<\/details>/g)).toHaveLength(1);
    }
  });

  test("obey no terminal and no runner of a pipeline", () => {
    for (const said of [terminal(review), terminal(few)]) {
      expect(said).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
      expect(said).not.toMatch(/^\s*(::|##\[)/m);
    }
  });
});

test("the comment of a stack is found again by its first line", () => {
  expect(markdown(reviewOf(preview("larger"))).split("\n")[0]).toBe(marker("prod"));
});

describe("what a change means", () => {
  test("tells each setting that changed, from what the deployed stack says of itself", () => {
    expect(reviewOf(preview("larger")).settings).toEqual([
      { key: "instanceClass", before: "db.r7g.large", after: "db.r7g.xlarge" },
      { key: "maxConnections", before: "400", after: "500" },
      { key: "storageGib", before: "200", after: "300" },
    ]);
    expect(terminal(reviewOf(of()))).toContain("Not known what they were");
  });

  test("tells what it costs more, by the same prices as docs/costs.md; and no sum where a price is missing", () => {
    const { costs } = reviewOf(preview("larger"));
    const sum = costs.reduce((total, { usd }) => total + (usd ?? NaN), 0);
    expect(sum).toBeCloseTo(730 * 0.285 * 2 + 100 * 0.137 * 2 + 100 * 0.127);
    expect(terminal(reviewOf(preview("larger")))).toContain("+456.20 USD together");
    const strange = preview("larger");
    for (const { newState } of strange.steps ?? [])
      if (newState?.inputs["instanceClass"]) newState.inputs["instanceClass"] = "db.x99.huge";
    expect(terminal(reviewOf(strange))).toContain("Not known: a price is missing");
    expect(terminal(reviewOf(strange))).not.toContain("USD together");
  });

  test("tells what interrupts service, for how long and when; and says so of a property that it does not know", () => {
    const said = terminal(reviewOf(preview("larger")));
    expect(said).toContain("instanceClass changes in the maintenance window (sun:04:30-sun:05:30 UTC)");
    expect(said).toContain("60 to 120 seconds as a rule");
    const alone = of({
      ...primary("update"),
      oldState: state({ multiAz: false }),
      newState: state({ multiAz: false }),
      replaceReasons: null,
      detailedDiff: { instanceClass: { kind: "update", inputDiff: true } },
    });
    expect(terminal(reviewOf(alone))).toContain("instanceClass changes during the deployment: meanwhile no receipt");
    expect(terminal(reviewOf(alone))).toContain("How long: as long as a restart and its recovery take");
    const upgraded = {
      ...primary("update"),
      oldState: state({ multiAz: true, engineVersion: "17" }),
      newState: state({ multiAz: true, engineVersion: "18", applyImmediately: true }),
      replaceReasons: null,
      detailedDiff: { engineVersion: { kind: "update", inputDiff: true } },
    };
    expect(terminal(reviewOf(of(upgraded)))).toContain(
      "PostgreSQL 17 becomes 18 during the deployment, which cannot be undone: meanwhile no receipt can be stored",
    );
    const unknown = {
      ...primary("update"),
      replaceReasons: null,
      detailedDiff: { newThing: { kind: "add", inputDiff: true } },
    };
    expect(terminal(reviewOf(of(unknown)))).toContain(
      "newThing changes: whether that interrupts the server is not known",
    );
  });

  test("tells nothing of interruptions, costs or settings where nothing changes", () => {
    const { interruptions, costs, settings, changes } = reviewOf(preview("unchanged"));
    expect({ interruptions, costs, settings, changes }).toEqual({
      interruptions: [],
      costs: [],
      settings: [],
      changes: [],
    });
    expect(terminal(reviewOf(preview("unchanged")))).toMatch(/^prod: no changes$/m);
  });
});

describe("what policy packs said", () => {
  const directory = mkdtempSync(join(tmpdir(), "policies-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const said = readFileSync(join(__dirname, "previews/policies.jsonl"), "utf8");
  const events = said.trim().split("\n");
  const review = (lines: readonly string[], markdown = false) => {
    const file = join(directory, "policies.jsonl");
    writeFileSync(file, lines.join("\n"));
    return runReview(join(__dirname, "previews/unchanged.json"), { policies: file, markdown });
  };
  const policyEvent = (more: object) =>
    JSON.stringify({
      policyEvent: {
        resourceUrn: urn(instance, "authensor-prod-primary"),
        message: "Something holds. Reason.\nit does not: mend it\n",
        policyName: "a-rule",
        enforcementLevel: "mandatory",
        ...more,
      },
    });
  const summary = events.at(-1)!;
  const succeeded = '{"summaryEvent":{"PolicyPacks":{"pack":"1"},"result":"succeeded"}}';

  test("stops a change that breaks a rule which must hold, and names the rule, the resources and what is wrong", () => {
    const { text: told, exitCode } = review(events);
    expect(exitCode).toBe(3);
    expect(told).toMatch(/^This stops here: 1 rule of the policy pack is broken that must hold$/m);
    expect(told).toContain("database-deletion-protection: authensor-prod-primary: deletionProtection is not true: set");
    const replica = policyEvent({ resourceUrn: urn(instance, "authensor-prod-replica") });
    expect(review([policyEvent({}), replica, policyEvent({ policyName: "b" }), summary]).text).toMatch(
      /^This stops here: 2 rules .* are [^]* - a-rule: authensor-prod-primary, authensor-prod-replica: it does not: mend it$/m,
    );
  });

  test("tells what is only advised once for each rule, and which rules wait for a deployment, and stops for neither", () => {
    const unknown = policyEvent({ message: "can't run policy 'a-rule'", enforcementLevel: "advisory" });
    const advice = events.slice(0, -1).filter((line) => !line.includes('"mandatory"'));
    const { text: told, exitCode } = review([...advice, unknown, unknown, succeeded]);
    expect(exitCode).toBe(0);
    expect(told).toMatch(/ - images-by-digest: authensor-prod-migrate, .* and 7 more: Images are named by digest\./);
    expect(told).toMatch(/only a deployment knows; up judges them:\n {2}- a-rule \(2\)$/m);
    expect(told).not.toContain("broken that must hold");
  });

  test("names all rules that wait for a deployment in a comment too, however many they are", () => {
    const names = Array.from({ length: 35 }, (_, index) => `a-rule-whose-name-is-rather-long-${index}`);
    const unjudged = names.map((rule) => ({ rule, what: "", names: ["n", "m"] }));
    const policies = { stack: undefined, whole: true, mandatory: [], advisory: [], unjudged };
    const comment = markdown(reviewOf(preview("larger"), [], policies));
    for (const name of names) expect(comment).toContain(`\`${name}\` (2)`);
  });

  test("is not taken for all where the preview did not end, or asked no pack", () => {
    for (const last of [[], ['{"summaryEvent":{}}'], ['{"summaryEvent":{"PolicyPacks":{}}}'], [summary]]) {
      const { text: told, exitCode } = review(['{"policyLoadEvent":{}}', ...last]);
      expect(exitCode).toBe(1);
      expect(told).toContain("The policy pack did not judge all of it");
    }
  });

  test.each([
    ["nothing", [], "is empty"],
    ["a line that was cut off", [events[1]!.slice(0, 50)], "is not one JSON text on each line"],
    ["another stack's", [policyEvent({ resourceUrn: "urn:pulumi:dev::p::t::n" }), summary], "of the stack dev"],
    ["something else", ["[]"], "is not what pulumi preview --json streams"],
  ])("is refused where it is %s", (_what, lines, why) => {
    expect(() => review(lines)).toThrow(why);
  });

  test("is quoted, whatever a pack says, and nothing else of the stream is told", () => {
    const message = "Holds.\n</code> @everyone **bold** ``` <img src=x>";
    const debug = '{"diagnosticEvent":{"message":"a-secret","severity":"debug"}}';
    const { text: told } = review([policyEvent({ message }), debug, summary], true);
    const html = markdownIt({ html: true }).render(told);
    expect(html).not.toMatch(/<img|<strong>bold|a-secret/);
  });
});

describe("the table of rules", () => {
  let world: World<unknown>;
  beforeAll(async () => {
    const more = {
      ingress:
        '{"host":"h.example.com","class":"alb","certificateArn":"arn:aws:acm:eu-central-1:111122223333:certificate/a"}',
      rebootForParameters: "true",
      podMonitorLabels: '{"release":"p"}',
    };
    const all = Object.fromEntries(Object.entries(more).map(([key, value]) => [`authensor-database:${key}`, value]));
    world = await record<unknown>(program, { stack: "prod", config: { ...configOf("prod"), ...all } });
  });

  test("has every type that the program makes, and no other", () => {
    const made = [...new Set(world.resources.map(({ type }) => type))].filter((type) => !makesNothing(type));
    expect(Object.keys(rules).sort()).toEqual(made.sort());
  });

  test("says of servers, the bucket, keys and logs that they hold data, and of nothing else", () => {
    const holding = Object.keys(rules).filter((type) => rules[type]?.holds);
    const expected = ["aws:cloudwatch/logGroup:LogGroup", "aws:kms/key:Key", instance, "aws:s3/bucket:Bucket"];
    expect(holding.sort()).toEqual(expected.sort());
  });

  test("knows of each property of a server whether its change interrupts, or it cannot be changed", () => {
    const set = new Set(world.all(instance).flatMap(({ inputs }) => Object.keys(inputs)));
    const fixed = ["dbName", "engine", "identifier", "kmsKeyId", "performanceInsightsKmsKeyId", "region"];
    const others = ["replicateSourceDb", "storageEncrypted", "username"];
    expect(restarts.filter((property) => harmless.includes(property))).toEqual([]);
    const unknown = [...set].filter((property) => ![...harmless, ...restarts].includes(property));
    expect(unknown.sort()).toEqual([...fixed, ...others].sort());
  });
});
