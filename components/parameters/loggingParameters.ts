import { manual, type Tuned } from "./parameter";

const source = manual("runtime-config-logging");

/** What the server writes into its log: evidence that the database itself cannot rewrite, and what was slow. */
export function loggingParameters(major: number): Tuned[] {
  return [
    {
      name: "log_min_duration_statement",
      value: "1000",
      unit: "ms",
      reason: "A receipt's insert takes milliseconds: what takes a second is worth a line.",
      source,
    },
    {
      name: "log_statement",
      value: "ddl",
      unit: "",
      reason:
        "Evidence: whoever changes a table, a trigger or a role leaves the statement in a log that the database cannot rewrite. " +
        "It costs a line for each, in a deployment and at the turn of a month. Passwords are set as SCRAM verifiers.",
      source,
    },
    {
      name: "log_connections",
      // Until 17 a boolean. Of 18 the group takes "receipt, authentication, authorization, setup_durations, all", by what RDS answers to
      // "1" (InvalidParameterValue); whether it takes several of them, as PostgreSQL does, is told nowhere.
      value: major >= 18 ? "all" : "1",
      unit: "",
      reason:
        "Evidence: who came, from where, as whom and over TLS or not. It costs two to four lines for each connection, of which the " +
        "pooler makes few; a client that connects anew for each query would pay with every query.",
      source,
    },
    {
      name: "log_disconnections",
      value: "1",
      unit: "",
      reason: "Evidence: how long each stayed. It costs one line for each connection.",
      source,
    },
    {
      name: "log_lock_waits",
      value: "1",
      unit: "",
      reason:
        "Chain heads and partition maintenance are taken under locks: a wait beyond deadlock_timeout must leave a trace.",
      source,
    },
    {
      name: "log_autovacuum_min_duration",
      value: "10000",
      unit: "ms",
      reason: "Says which partition's vacuum is slow, without a line for each quiet one.",
      source,
    },
  ];
}
