/** What a change of each setting does, as a page: docs/setting-changes.md. */
import { entries, type Entry } from "../../settings/table";
import { otherValues } from "./otherValues";
import { type Change, type Changed, isOfAws } from "./settingChanges";

/** Resources of AWS by their names, the others by their kinds. */
function listOf(changed: readonly Changed[], ...wanted: Change[]): string {
  const found = changed.filter(({ change }) => wanted.includes(change));
  const ofAws = found.filter(isOfAws).map(({ what, change, protected: kept }) => {
    const name = change === "made" || change === "removed" ? `${what} ${change}` : what;
    return kept && change !== "updated" ? `${name} (protected: refused)` : name;
  });
  const kinds = found.filter((entry) => !isOfAws(entry)).map(({ what }) => what.split(" ")[0]!);
  const counted = [...new Set(kinds)].map((kind) => {
    const count = kinds.filter((other) => other === kind).length;
    return count > 1 ? `${kind} ×${count}` : kind;
  });
  const many = ofAws.length > 12 && wanted.includes("updated");
  return [...(many ? [`${ofAws.length} of AWS`] : ofAws.sort()), ...counted.sort()].join(", ");
}

function rowOf(key: string, outcome: Changed[] | string): string {
  if (otherValues[key] === undefined) return `| \`${key}\` | not tried | | | |`;
  const to = Object.entries(otherValues[key]).map(([name, value]) => `\`${name}\` = \`${value || "not set"}\``);
  const cells =
    typeof outcome === "string"
      ? [`refused: ${outcome.split(/\.\s/)[0]!}`, "", ""]
      : [
          listOf(outcome, "updated") || (outcome.length === 0 ? "nothing" : ""),
          listOf(outcome, "replaced"),
          listOf(outcome, "made", "removed"),
        ];
  return `| \`${key}\` | ${to.join(", ")} | ${cells.join(" | ")} |`;
}

export const changesPage = (changes: ReadonlyMap<string, Changed[] | string>) => {
  const groupOf = ({ path }: Entry) => (path.length > 1 ? path[0]! : "the stack");
  const tables = [...new Set(entries.map(groupOf))].map((group) =>
    [
      `## ${group}`,
      "",
      "| setting | changed to | updated | replaced | made, removed |",
      "| --- | --- | --- | --- | --- |",
      ...entries
        .filter((entry) => groupOf(entry) === group)
        .map(({ setting: { key } }) => rowOf(key, changes.get(key) ?? "not tried")),
    ].join("\n"),
  );
  return `# What a change of a setting does

Of the stack \`prod\`, with each setting changed alone: what is updated in place, what is made anew, what comes and goes. Computed by
\`npm run setting-changes\` with the local cloud's engine and handlers (\`test/unit/settingChanges.ts\`), which say what AWS and Kubernetes
cannot change in place; \`pulumi preview\` has the last word. A test fails where a setting that replaces or removes nothing of AWS here
begins to do so. ConfigMaps, Secrets and Jobs are never changed: a new one takes the old one's place, and what uses it rolls.

What is protected is not replaced or removed while \`deletionProtection\` is on: the engine refuses it before anything is changed.

A subnet leaves a subnet group only while no server is in it: with fewer \`replicaZones\`, or fewer \`databaseSubnetIds\` or
\`replicaSubnetIds\`, RDS may answer \`SubnetAlreadyInUse\` (its API reference, ModifyDBSubnetGroup; not run). \`pulumi up\` then stops before the
subnet is deleted, and the servers go on: set the value back. The zone that a server is in: \`aws rds describe-db-instances --region <region>\`.

${tables.join("\n\n")}
`;
};

/** A table's row by its setting: its cells. */
export const rowsOf = (page: string) =>
  new Map(
    [...page.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, key, cells]) => [
      key!,
      cells!.split("|").map((cell) => cell.trim()),
    ]),
  );
