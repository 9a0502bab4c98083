/** Parameter groups: what RDS accepts in them, and what becomes of it in a postgresql.conf. */
import { AwsError } from "../account";
import { evaluateFormula } from "./formulas";

export interface Parameter {
  name: string;
  value: string;
  applyMethod: "immediate" | "pending-reboot";
}

/** A parameter as `postgres --describe-config` tells of it. */
export interface Definition {
  context: string;
  type: string;
  min: number | undefined;
  max: number | undefined;
}

export type Catalog = ReadonlyMap<string, Definition>;

/** Reads the tab-separated output of `postgres --describe-config`. */
export function parseCatalog(described: string): Catalog {
  const number = (text: string | undefined) => (text ? Number(text) : undefined);
  const rows = described.split("\n").map((line) => line.split("\t"));
  return new Map(
    rows.flatMap(([name, context, , type, , min, max]) =>
      name && context && type
        ? [[name, { context, type: type.toLowerCase(), min: number(min), max: number(max) }] as const]
        : [],
    ),
  );
}

const own = (context: string, type: string, min?: number, max?: number): Definition => ({ context, type, min, max });

/** RDS' own parameters that RDS for PostgreSQL has; what they mean here is in `settingsOf`. */
const rdsParameters: Record<string, Definition> = {
  "rds.accepted_password_auth_method": own("sighup", "string"),
  "rds.adaptive_autovacuum": own("sighup", "boolean"),
  "rds.allowed_extensions": own("sighup", "string"),
  "rds.custom_dns_resolution": own("postmaster", "boolean"),
  "rds.force_admin_logging_level": own("sighup", "string"),
  "rds.force_autovacuum_logging_level": own("sighup", "string"),
  "rds.force_ssl": own("sighup", "boolean"),
  "rds.log_retention_period": own("sighup", "integer", 1440, 10080),
  "rds.logical_replication": own("postmaster", "boolean"),
  "rds.pg_stat_ramdisk_size": own("postmaster", "integer", 0, 1024),
  "rds.rds_superuser_reserved_connections": own("postmaster", "integer", 0, 8388607),
  "rds.restrict_password_commands": own("postmaster", "boolean"),
};

/** Those of modules in shared_preload_libraries: the server knows of them only once it has loaded the module. */
const moduleParameters: Record<string, Definition> = {
  "auto_explain.log_analyze": own("superuser", "boolean"),
  "auto_explain.log_buffers": own("superuser", "boolean"),
  "auto_explain.log_format": own("superuser", "string"),
  "auto_explain.log_min_duration": own("superuser", "integer", -1, 2147483647),
  "auto_explain.log_nested_statements": own("superuser", "boolean"),
  "auto_explain.log_timing": own("superuser", "boolean"),
  "auto_explain.log_triggers": own("superuser", "boolean"),
  "auto_explain.log_verbose": own("superuser", "boolean"),
  "auto_explain.sample_rate": own("superuser", "real", 0, 1),
  "pg_stat_statements.max": own("postmaster", "integer", 100, 2147483647),
  "pg_stat_statements.save": own("sighup", "boolean"),
  "pg_stat_statements.track": own("superuser", "string"),
  "pg_stat_statements.track_planning": own("superuser", "boolean"),
  "pg_stat_statements.track_utility": own("superuser", "boolean"),
};

/** Whole modules of RDS that PostgreSQL does not come with: accepted, and left out where they are not installed. */
const foreignModules = ["pgaudit", "pg_cron", "cron", "pg_hint_plan", "pglogical", "orafce", "pg_bigm", "pg_tle"];

/** What the service keeps for itself: in a parameter group it is shown, and cannot be modified. */
const reserved = new Set(
  `archive_cleanup_command archive_command archive_library archive_mode archive_timeout bonjour bonjour_name
  cluster_name config_file data_directory data_sync_retry event_source external_pid_file fsync full_page_writes hba_file
  hot_standby ident_file krb_server_keyfile listen_addresses log_directory log_destination_file logging_collector
  port primary_conninfo primary_slot_name recovery_end_command recovery_init_sync_method recovery_min_apply_delay
  recovery_target recovery_target_action recovery_target_inclusive recovery_target_lsn recovery_target_name
  recovery_target_time recovery_target_timeline recovery_target_xid restore_command
  ssl ssl_ca_file ssl_cert_file ssl_crl_dir ssl_crl_file ssl_dh_params_file ssl_ecdh_curve ssl_key_file
  ssl_passphrase_command ssl_passphrase_command_supports_reload synchronous_standby_names
  unix_socket_directories unix_socket_group unix_socket_permissions wal_level wal_log_hints wal_sync_method zero_damaged_pages`
    .trim()
    .split(/\s+/),
);

/** Parameters by the major version that brought them: what the local server may be too old to have. */
const newer: Record<number, readonly string[]> = {
  16: `createrole_self_grant debug_parallel_query enable_presorted_aggregate icu_validation_level
    gss_accept_delegation reserved_connections scram_iterations send_abort_for_crash send_abort_for_kill
    vacuum_buffer_usage_limit debug_io_direct max_parallel_apply_workers_per_subscription
    logical_replication_mode`.split(/\s+/),
  17: `allow_alter_system commit_timestamp_buffers enable_group_by_reordering event_triggers huge_pages_status
    io_combine_limit multixact_member_buffers multixact_offset_buffers notify_buffers restrict_nonsystem_relation_kind
    serializable_buffers subtransaction_buffers summarize_wal sync_replication_slots synchronized_standby_slots
    trace_connection_negotiation transaction_buffers transaction_timeout wal_summary_keep_time`.split(/\s+/),
  18: `autovacuum_vacuum_max_threshold autovacuum_worker_slots effective_io_workers enable_distinct_reordering
    enable_self_join_elimination extension_control_path file_copy_method idle_replication_slot_timeout
    io_max_combine_limit io_max_concurrency io_method io_workers log_lock_failures max_active_replication_origins
    md5_password_warnings oauth_validator_libraries ssl_groups ssl_tls13_ciphers track_cost_delay_timing
    vacuum_max_eager_freeze_failure_rate vacuum_truncate`.split(/\s+/),
};

/** Parameters by the major version that no longer has them. */
const gone: Record<number, readonly string[]> = {
  16: ["vacuum_defer_cleanup_age", "force_parallel_mode", "promote_trigger_file"],
  17: ["old_snapshot_threshold", "db_user_namespace", "trace_recovery_messages"],
};

export interface Checked {
  /** Parameters the local server is too old for, or whose module it lacks. */
  leftOut: string[];
  notes: string[];
}

/**
 * Checks parameters as ModifyDBParameterGroup does and throws its error for the first that is wrong.
 * `major` is the version of the family, `exists` answers for what `--describe-config` does not list.
 */
export function checkParameters(
  parameters: readonly Parameter[],
  catalog: Catalog,
  major: number,
  exists: (name: string) => boolean,
): Checked {
  const [leftOut, notes]: [string[], string[]] = [[], []];
  for (const parameter of parameters) {
    const { name, value, applyMethod } = parameter;
    const definition = catalog.get(name) ?? rdsParameters[name] ?? moduleParameters[name];
    if (isGone(name, major)) throw unknown(name);
    if (definition === undefined) {
      if (isNewer(name, major) || foreignModules.includes(name.split(".")[0] ?? "")) leftOut.push(name);
      else if (!exists(name)) throw unknown(name);
      continue;
    }
    if (reserved.has(name)) throw new AwsError("InvalidParameterValue", `The parameter ${name} cannot be modified.`);
    if (isStatic(definition) && applyMethod !== "pending-reboot") {
      const message = `cannot use immediate apply method for static parameter (${name}: set applyMethod to pending-reboot)`;
      throw new AwsError("InvalidParameterCombination", message);
    }
    checkValue(parameter, definition);
    if (definition.type === "boolean" && !/^[01]$/.test(value)) {
      notes.push(`${name} = ${value}: RDS stores 0 or 1, so that every further update shows a difference; write it so`);
    }
  }
  return { leftOut, notes };
}

const unknown = (name: string) => new AwsError("InvalidParameterValue", `Could not find parameter with name: ${name}`);

const isStatic = (definition: Definition) => definition.context === "postmaster";

const isNewer = (name: string, major: number) =>
  Object.entries(newer).some(([since, names]) => Number(since) <= major && names.includes(name));

const isGone = (name: string, major: number) =>
  Object.entries(gone).some(([since, names]) => Number(since) <= major && names.includes(name));

function checkValue({ name, value }: Parameter, definition: Definition): void {
  const refuse = (allowed: string) =>
    new AwsError(
      "InvalidParameterValue",
      `Invalid parameter value: ${value} for: ${name} allowed values are: ${allowed}`,
    );
  if (definition.type === "boolean" && !/^(0|1|on|off|true|false|yes|no)$/i.test(value)) throw refuse("0,1");
  if (definition.type !== "integer" && definition.type !== "real") return;
  if (value.includes("{")) {
    if (evaluateFormula(value, 1024 ** 3) === undefined) throw refuse("a number or a formula of DBInstanceClassMemory");
    return;
  }
  const [min, max] = [definition.min ?? 0, definition.max ?? Number.MAX_SAFE_INTEGER];
  // No units: a parameter group counts in the server's base unit of each parameter.
  const shape = definition.type === "integer" ? /^-?\d+$/ : /^-?\d+(\.\d+)?$/;
  if (!shape.test(value) || Number(value) < min || Number(value) > max) throw refuse(`${min}-${max}`);
}

export interface Settings {
  /** Lines of postgresql.conf, in a fixed order. */
  values: Record<string, string>;
  forceSsl: boolean;
}

export interface Machine {
  major: number;
  /** Bytes of memory of the instance class. */
  memory: number;
  /** Names of modules the local server can load. */
  modules: ReadonlySet<string>;
}

/** What the parameters of a group come to on a server: RDS' defaults below them, formulas worked out. */
export function settingsOf(
  parameters: readonly Parameter[],
  leftOut: readonly string[],
  { major, memory, modules }: Machine,
): Settings {
  const given = Object.fromEntries(parameters.map(({ name, value }) => [name, value]));
  const values: Record<string, string> = {
    max_connections: "LEAST({DBInstanceClassMemory/9531392},5000)",
    shared_preload_libraries: "pg_stat_statements",
    max_wal_senders: "10",
    max_replication_slots: "10",
    timezone: "UTC",
    log_timezone: "UTC",
  };
  for (const [name, value] of Object.entries(given)) {
    if (!name.startsWith("rds.") && !leftOut.includes(name)) values[name] = value;
  }
  for (const [name, value] of Object.entries(values)) {
    if (value.includes("{")) values[name] = String(evaluateFormula(value, memory) ?? value);
  }
  const libraries = (values.shared_preload_libraries ?? "").split(",").map((library) => library.trim());
  // RDS loads its own beside what is asked for, pg_stat_statements unless it is left out on purpose.
  values.shared_preload_libraries = libraries.filter((library) => modules.has(library)).join(",");
  values.wal_level = isOn(given["rds.logical_replication"]) ? "logical" : "replica";
  if (major >= 16) values.reserved_connections = given["rds.rds_superuser_reserved_connections"] ?? "2";
  // On from PostgreSQL 15 unless the group says otherwise.
  return { values, forceSsl: isOn(given["rds.force_ssl"] ?? "1") };
}

const isOn = (value: string | undefined) => /^(1|on|true|yes)$/i.test(value ?? "");

/** What a standby must have at least as much of as its primary, or it cannot answer queries; with PostgreSQL's defaults. */
const notBelowPrimary = {
  max_connections: 100,
  max_worker_processes: 8,
  max_wal_senders: 10,
  max_prepared_transactions: 0,
  max_locks_per_transaction: 64,
};

/** Which of a replica's settings are lower than its source's: "max_connections = 100, source has 200". */
export function belowSource(replica: Settings, source: Settings): string[] {
  return Object.entries(notBelowPrimary).flatMap(([name, byDefault]) => {
    const its = Number(replica.values[name] ?? byDefault);
    const sources = Number(source.values[name] ?? byDefault);
    return its < sources ? [`${name} = ${its}, its source ${sources}`] : [];
  });
}

/** Whether a standby that runs with `before` becomes smaller with `after`: then it has to wait for its source to be so. */
export const shrinks = (before: Readonly<Record<string, string>>, after: Settings): boolean =>
  Object.entries(notBelowPrimary).some(
    ([name, byDefault]) => Number(after.values[name] ?? byDefault) < Number(before[name] ?? byDefault),
  );

/** Whether a server takes this parameter only at its start. */
export function needsRestart(name: string, catalog: Catalog): boolean {
  const definition = catalog.get(name) ?? moduleParameters[name];
  return definition !== undefined && isStatic(definition);
}
