import * as pulumi from "@pulumi/pulumi";
import { SettingsError, type Problem } from "../settings";
import { backup } from "../settings/copies";
import { text, type Setting } from "../settings/kinds";
import { placement } from "../settings/placement";

/** What this program may be told; all but one as the database's own program is told it (README.md, Configuration). */
const table = {
  environment: placement.environment,
  region: placement.regions.backup,
  accountId: placement.account.id,
  databaseAccountId: text("databaseAccountId", /^\d{12}$/, {
    description: "AWS account of the database, whose programs write to the bucket",
    rule: "the AWS account id of the database, of 12 digits, and not the bucket's",
    example: "123456789012",
  }),
  lockMode: backup.lockMode,
  lockDays: backup.lockDays,
  receiptRetentionMonths: backup.receiptRetentionMonths,
};

type Settings = { [Name in keyof typeof table]: (typeof table)[Name] extends Setting<infer T> ? T : never };

/** @throws with every problem there is */
export function readSettings(): Settings {
  const ofProject = `${pulumi.getProject()}:`;
  const given = Object.fromEntries(
    Object.entries(pulumi.runtime.allConfig()).flatMap(([name, value]) =>
      name.startsWith(ofProject) ? [[name.slice(ofProject.length), value]] : [],
    ),
  );
  const settings = Object.entries(table) as [string, Setting][];
  const known = settings.map(([, { key }]) => key);
  const problems: Problem[] = Object.keys(given)
    .filter((key) => !known.includes(key))
    .map((key) => ({ key, value: given[key], rule: `unknown key; there are ${known.join(", ")}` }));
  const values = settings.map(([name, { key, schema, rule, example, default: initial }]) => {
    const value = given[key] ?? initial;
    const parsed = value === undefined ? undefined : schema.safeParse(value);
    if (!parsed?.success) problems.push({ key, value, rule, example });
    return [name, parsed?.data];
  });
  const read = Object.fromEntries(values) as Settings;
  if (read.accountId !== undefined && read.accountId === read.databaseAccountId) {
    const { key, rule } = table.databaseAccountId;
    problems.push({ key, value: read.databaseAccountId, rule });
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return read;
}
