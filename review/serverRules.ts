/** What a change to a server of RDS interrupts, as AWS' manual has it. */
import { unconfirmed, type Change, type Interruption } from "./change";
import type { Properties } from "./preview";

export const manual = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide";
const classChange = "https://repost.aws/knowledge-center/rds-performance-impact";
const settings = `${manual}/USER_ModifyInstance.Settings.html`;

export const isReplica = (inputs: Properties) => inputs["replicateSourceDb"] !== undefined;
/** In the window, where `applyImmediately` is false. */
function when({ after: { applyImmediately, maintenanceWindow } }: Change): string {
  const window = typeof maintenanceWindow === "string" ? maintenanceWindow : "of RDS' choice";
  return applyImmediately === false
    ? `in the maintenance window (${window} UTC), or at once if applyImmediately is true`
    : "during the deployment";
}

/** Properties of a server whose change interrupts it. What is in neither list is told as not known. */
export const restarts = [
  "instanceClass",
  "engineVersion",
  "port",
  "storageType",
  "dbSubnetGroupName",
  "caCertIdentifier",
];
export const harmless = [
  ...[
    "allocatedStorage",
    "maxAllocatedStorage",
    "multiAz",
    "backupRetentionPeriod",
    "backupWindow",
    "maintenanceWindow",
  ],
  ...[
    "deletionProtection",
    "skipFinalSnapshot",
    "finalSnapshotIdentifier",
    "deleteAutomatedBackups",
    "copyTagsToSnapshot",
  ],
  ...[
    "passwordWo",
    "passwordWoVersion",
    "tags",
    "tagsAll",
    "vpcSecurityGroupIds",
    "parameterGroupName",
    "publiclyAccessible",
  ],
  ...["monitoringInterval", "monitoringRoleArn", "performanceInsightsEnabled", "performanceInsightsRetentionPeriod"],
  ...["databaseInsightsMode", "enabledCloudwatchLogsExports", "autoMinorVersionUpgrade", "allowMajorVersionUpgrade"],
  ...["applyImmediately", "iamDatabaseAuthenticationEnabled", "engineLifecycleSupport"],
];

const majorOf = ({ engineVersion }: Properties) => /^\d+/.exec(String(engineVersion))?.[0];

/** Both zones at once, whatever `multiAz` is. */
const majorUpgrade = (change: Change, away: string): Interruption => ({
  what: `PostgreSQL ${majorOf(change.before)} becomes ${majorOf(change.after)} ${when(change)}, which cannot be undone: meanwhile ${away}`,
  howLong:
    "as long as RDS' checks, its pg_upgrade and a restart take: minutes, more with more tables (docs/major-upgrade.md)",
  source: `${manual}/USER_UpgradeDBInstance.PostgreSQL.MajorVersion.Process.html`,
});

export function serverStops(change: Change): Interruption[] {
  const { before, changed } = change;
  const away = isReplica(before)
    ? "nothing can be read from the replica"
    : "no receipt can be stored, so no action is allowed";
  if (change.kind === "delete") return [{ what: away, howLong: "for good", source: unconfirmed }];
  if (change.kind === "replace")
    return [{ what: away, howLong: "until another server is made: hours where it is large", source: unconfirmed }];
  if (change.kind === "create") return [];
  return changed.flatMap((property): Interruption[] => {
    if (harmless.includes(property)) return [];
    if (!restarts.includes(property))
      return [
        {
          what: `${property} changes: whether that interrupts the server is not known`,
          howLong: "not known",
          source: settings,
        },
      ];
    if (property === "engineVersion" && majorOf(before) !== majorOf(change.after)) return [majorUpgrade(change, away)];
    const failsOver = before["multiAz"] === true && property === "instanceClass";
    return [
      {
        what: `${property} changes ${when(change)}: meanwhile ${away}`,
        howLong: failsOver
          ? "a failover: 60 to 120 seconds as a rule, longer after large transactions"
          : "as long as a restart and its recovery take: minutes",
        source: property === "instanceClass" ? classChange : settings,
      },
    ];
  });
}

interface Parameter {
  name: string;
  value?: unknown;
  applyMethod?: string;
}

export function parameterStops({ kind, before, after }: Change): Interruption[] {
  if (kind !== "update") return [];
  const [old = [], now = []] = [before["parameters"], after["parameters"]] as (Parameter[] | undefined)[];
  const was = new Map(old.map(({ name, value }) => [name, value]));
  const waiting = now.filter(
    ({ name, value, applyMethod }) => applyMethod === "pending-reboot" && was.get(name) !== value,
  );
  return waiting.length === 0
    ? []
    : [
        {
          what: `${waiting.map(({ name }) => name).join(", ")} is in force only after a reboot of its server, which RDS does not make by itself`,
          howLong: "a reboot: as long as the server's recovery takes",
          source: "docs/operations.md, Changes that wait",
        },
      ];
}
