/** How RDS applies a parameter of a group: at once, or when the server next starts. */
export type ApplyMethod = "immediate" | "pending-reboot";

/** Of the parameters this project sets, those that PostgreSQL takes only at its start (`pg_settings.context` is postmaster). */
const takenAtStart: Readonly<Record<string, (major: number) => boolean>> = {
  // From 18 a reload is enough, within autovacuum_worker_slots (16 by default, more than is ever asked for here).
  autovacuum_max_workers: (major) => major < 18,
  max_connections: () => true,
  max_locks_per_transaction: () => true,
  max_worker_processes: () => true,
  "rds.restrict_password_commands": () => true,
  shared_preload_libraries: () => true,
};

/**
 * RDS' own values in the families' default groups, where they are plain ones: formulas, and parameters that RDS leaves to
 * PostgreSQL, cannot be met. From two listings, one of a family that it does not name, of an older major version, and one of a part of
 * postgres13; rds.force_ssl from the manual. That later families have the same is not confirmed, and nothing depends on it: a value
 * listed here in error is in force all the same, since a server starts with it; one that is missing shows as a change in every preview,
 * and `aws rds describe-db-parameters --db-parameter-group-name default.postgres17` tells which.
 */
const rdsDefaults: Readonly<Record<string, (major: number) => string | undefined>> = {
  autovacuum_analyze_scale_factor: () => "0.05",
  autovacuum_vacuum_scale_factor: () => "0.1",
  checkpoint_completion_target: () => "0.9",
  idle_in_transaction_session_timeout: () => "86400000",
  log_autovacuum_min_duration: () => "10000",
  max_wal_size: () => "2048",
  min_wal_size: () => "192",
  "rds.force_ssl": (major) => (major >= 15 ? "1" : "0"),
  synchronous_commit: () => "on",
  track_io_timing: () => "1",
  // In no listing: not confirmed.
  wal_compression: () => "zstd",
};

/** Whether a change of it waits until the server is rebooted. */
export const isStatic = (name: string, major: number): boolean => takenAtStart[name]?.(major) === true;

/**
 * The method to ask for. RDS takes no note of a value that is its own default, and reports such a parameter as `pending-reboot`
 * whatever was asked for: with `immediate` every preview would show a change.
 */
export function applyMethod(name: string, value: string, major: number): ApplyMethod {
  const waits = isStatic(name, major) || rdsDefaults[name]?.(major) === value;
  return waits ? "pending-reboot" : "immediate";
}
