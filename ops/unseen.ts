/**
 * By how much a row may have been sealed before a moment whose snapshot does not show it: its transaction had not committed yet.
 * PgBouncer and the roles of applications end one after a minute (sql/019_role_rules.sql); the owner's have no end, and an import may
 * take long. A replica may show what was 5 minutes ago, and after a failover another server's clock goes on.
 */
export const longestUnseen = 3_600_000;

/** From when on a row can have been sealed that such a snapshot does not show: UTC, as PostgreSQL prints it in JSON. */
export const earliestUnseen = (asOf: string): string =>
  new Date(Date.parse(asOf) - longestUnseen).toISOString().replace("Z", "");
