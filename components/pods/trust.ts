/** Where every pod that connects finds the certificates that it verifies servers by; the URLs name files of this directory. */
export const trustPath = "/etc/authensor/trust";

/** Its files: what signs the database servers' certificates, and what signs PgBouncer's. */
export const databaseCaName = "database-ca.pem";
export const pgbouncerCaName = "pgbouncer-ca.pem";
