/** The local cloud and the program, compared: what the one makes, and what the other has something for. */
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import program from "../..";
import { handlers, invokes } from "../../cloud/handlers";
import { readProject } from "../../local/config";
import { record } from "./mocks";

const checkout = join(__dirname, "../..");

/** Settings that make the program construct or look up something that it would not without them: a new one of these belongs here. */
const settings = [
  'ingress={"host":"decisions.example.com","class":"traefik","tlsSecret":"tls","from":["traefik"]}',
  "replicaEksClusterName=laptop-west",
  "primaryKmsKeyArn=arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  "pageEmails=oncall@example.com",
  'podMonitorLabels={"release":"prometheus"}',
];

/** What a state says that has forgotten its primary's region. */
const promoted = { host: "replica.example.com", port: 5432, identifier: "replica" };
const recordOfFailover = {
  "pulumi:index:Stash": () => ({
    output: { lostRegions: ["eu-central-1"], primaryRegion: "eu-west-1", promoted },
  }),
};

let constructed: Set<string>;
let asked: Set<string>;
beforeAll(async () => {
  const local = (given: string[]) => readProject(checkout, join(checkout, "Pulumi.local.yaml"), given);
  const { config } = local(settings);
  const { resources, invoked } = await record<unknown>(program, { stack: "local", config });
  const { config: failing } = local(["replicaEksClusterName=laptop-west", "failedOver=true"]);
  const failedOver = await record<unknown>(program, { stack: "local", config: failing, computed: recordOfFailover });
  constructed = new Set(resources.flatMap(({ type, custom }) => (custom ? type : [])));
  asked = new Set([...invoked, ...failedOver.invoked].map(({ token }) => token));
});

test("every type that the program makes has a handler, and there is none that it does not make", () => {
  const providers = [...constructed].filter((type) => type.startsWith("pulumi:providers:"));
  expect(providers).not.toEqual([]);
  expect(Object.keys(handlers).sort()).toEqual([...constructed].filter((type) => !providers.includes(type)).sort());
});

test("every look-up that the program makes is answered, and there is none that it does not make", () => {
  expect(Object.keys(invokes).sort()).toEqual([...asked].sort());
});
