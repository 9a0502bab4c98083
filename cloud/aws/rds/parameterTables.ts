/** What is known of parameters besides what the server itself tells: RDS' own, those of modules, and versions. */

/** A parameter as `postgres --describe-config` tells of it. */
export interface Definition {
  context: string;
  type: string;
  min: number | undefined;
  max: number | undefined;
}

const own = (context: string, type: string, min?: number, max?: number): Definition => ({ context, type, min, max });

/** RDS' own parameters that RDS for PostgreSQL has; what they mean here is in `settingsOf`. */
export const rdsParameters: Record<string, Definition> = {
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
export const moduleParameters: Record<string, Definition> = {
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
export const foreignModules = [
  "pgaudit",
  "pg_cron",
  "cron",
  "pg_hint_plan",
  "pglogical",
  "orafce",
  "pg_bigm",
  "pg_tle",
];

/** What the service keeps for itself: in a parameter group it is shown, and cannot be modified. */
export const reserved = new Set(
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
export const newer: Record<number, readonly string[]> = {
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
export const gone: Record<number, readonly string[]> = {
  16: ["vacuum_defer_cleanup_age", "force_parallel_mode", "promote_trigger_file"],
  17: ["old_snapshot_threshold", "db_user_namespace", "trace_recovery_messages"],
};
