/** Databases on RDS. */
import { instance, refersTo, regionOf } from "./resources";
import type { Properties, Rule } from "./rule";

const parameterGroup = "aws:rds/parameterGroup:ParameterGroup";
const copies = "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication";

/** The parameter that refuses connections without TLS, by the family's engine. */
const forcesTls: Record<string, string> = {
  postgres: "rds.force_ssl",
  mysql: "require_secure_transport",
  mariadb: "require_secure_transport",
};

/** Keeps data as a database does, in resources of its own that no rule here judges. */
const ofOtherKinds = {
  Aurora: ["rds/cluster:Cluster", "rds/clusterInstance:ClusterInstance", "rds/globalCluster:GlobalCluster"],
  "Aurora DSQL": ["dsql/cluster:Cluster"],
  DocumentDB: ["docdb/cluster:Cluster", "docdb/elasticCluster:ElasticCluster", "docdb/globalCluster:GlobalCluster"],
  DynamoDB: ["dynamodb/table:Table"],
  Keyspaces: ["keyspaces/table:Table"],
  Lightsail: ["lightsail/database:Database"],
  MemoryDB: ["memorydb/cluster:Cluster"],
  Neptune: ["neptune/cluster:Cluster", "neptune/globalCluster:GlobalCluster"],
  Redshift: ["redshift/cluster:Cluster", "redshiftserverless/namespace:Namespace"],
};

const isReplica = (props: Properties) => props.replicateSourceDb !== undefined;
/** A replica in its source's region takes its key, and says the source's name in place of its ARN. */
const takesSourcesKey = (props: Properties) =>
  isReplica(props) && !(props.replicateSourceDb as string).startsWith("arn:");

/** RDS has no parameter for its key: it keeps that of the backup. */
const isRestored = (props: Properties) =>
  props.restoreToPointInTime !== undefined || props.snapshotIdentifier !== undefined;

export const databaseRules: Rule[] = [
  {
    name: "database-own-key",
    holds: "Databases are encrypted with a KMS key that is given.",
    reason: "With RDS' default key nobody can limit who decrypts, and no snapshot can be copied to another account.",
    each: {
      [instance]: (props) => {
        if (takesSourcesKey(props)) return undefined;
        if (props.storageEncrypted !== true) return "storageEncrypted is not true: set it, and kmsKeyId beside it";
        if (!props.kmsKeyId && !isRestored(props)) return "kmsKeyId is not set: give the ARN of a key of your own";
        if (props.performanceInsightsEnabled === true && !props.performanceInsightsKmsKeyId)
          return "performanceInsightsKmsKeyId is not set, and Performance Insights keeps statements: give the ARN of a key of your own";
        return undefined;
      },
    },
  },
  {
    name: "database-not-public",
    holds: "Databases have no public address.",
    reason: "A wrong rule of a security group must not be all that keeps the internet out.",
    each: {
      [instance]: ({ publiclyAccessible }) =>
        publiclyAccessible === true ? "publiclyAccessible is true: set it to false" : undefined,
    },
  },
  {
    name: "database-tls",
    holds: "Databases refuse connections without TLS, by a parameter group of their own.",
    reason: "Otherwise one client with sslmode=disable sends its password and its rows in plain text.",
    each: {
      [parameterGroup]: (props) => {
        const parameter = forcesTls[/^[a-z]+/.exec(String(props.family))?.[0] ?? ""];
        if (parameter === undefined) return undefined;
        const parameters = (props.parameters ?? []) as Properties[];
        const value = parameters.find(({ name }) => name === parameter)?.value as string | number | undefined;
        return ["1", "ON", "on"].includes(String(value))
          ? undefined
          : `the parameter ${parameter} is ${value === undefined ? "not set" : String(value)}: set it to 1`;
      },
      [instance]: (props) =>
        props.parameterGroupName && !/^default\./.test(String(props.parameterGroupName))
          ? undefined
          : "parameterGroupName is not set to a group of your own: give one that forces TLS",
    },
  },
  {
    name: "database-backups",
    holds: "Primaries have automated backups, kept for at least `days` days.",
    reason: "Without them there is no way back to the minute before a mistake; RDS' provider makes none by default.",
    defaults: { days: 7 },
    each: {
      [instance]: (props, { days }) => {
        const kept = Number(props.backupRetentionPeriod ?? 0);
        return isReplica(props) || kept >= Number(days)
          ? undefined
          : `backupRetentionPeriod is ${kept}: set it to at least ${String(days)} days`;
      },
    },
  },
  {
    name: "database-backups-elsewhere",
    holds: "A primary's automated backups are copied to another region.",
    reason: "A region that is lost, or an account's keys of one region, must not take the backups too.",
    among: {
      [instance]: (database, all) => {
        if (isReplica(database.props)) return undefined;
        const copied = all
          .filter(({ type }) => type === copies)
          .filter((copy) => refersTo(copy, "sourceDbInstanceArn", database, () => [database.props.arn]));
        if (copied.length === 0)
          return "no InstanceAutomatedBackupsReplication copies its backups: add one in another region";
        return copied.some((copy) => regionOf(copy) !== regionOf(database))
          ? undefined
          : "its backups are copied to its own region: copy them to another";
      },
    },
  },
  {
    name: "database-multi-az",
    holds: "Primaries run in two zones.",
    reason: "With one zone the failure of a machine is a restore in place of a failover of a minute.",
    each: {
      [instance]: (props) => (isReplica(props) || props.multiAz === true ? undefined : "multiAz is not true: set it"),
    },
  },
  {
    name: "database-deletion-protection",
    holds: "RDS refuses to delete databases.",
    reason: "A wrong destroy, or a change that replaces, must stop before the data is gone.",
    each: {
      [instance]: ({ deletionProtection }) =>
        deletionProtection === true ? undefined : "deletionProtection is not true: set it",
    },
  },
  {
    name: "database-outlived",
    holds: "A primary that is deleted leaves a last snapshot and its backups.",
    reason: "Whoever was allowed to delete it may still have been wrong.",
    each: {
      [instance]: (props) => {
        if (isReplica(props)) return undefined;
        if (props.skipFinalSnapshot === true) return "skipFinalSnapshot is true: set it to false";
        return props.deleteAutomatedBackups === false
          ? undefined
          : "deleteAutomatedBackups is not false, so the backups go with the database: set it to false";
      },
    },
  },
  {
    name: "database-judged",
    holds: "Databases are instances of RDS, which is what these rules judge.",
    reason: "Of Aurora, DynamoDB and other kinds no rule here looks at encryption, backups, access or alarms.",
    each: Object.fromEntries(
      Object.entries(ofOtherKinds).flatMap(([kind, types]) =>
        types.map((type) => [
          `aws:${type}`,
          () =>
            `no rule here judges ${kind}: see to its encryption, backups, access, deletion protection and alarms yourself, then except it`,
        ]),
      ),
    ),
  },
];
