export interface DatabaseAddress {
  user: string;
  password: string;
  host: string;
  port: number;
  database: string;
  /** File with the certificates to verify the server by, where the URL is used. */
  caFile: string;
}

/** A URL that libpq and node's `pg` read alike: the server's certificate and name are verified. */
export function databaseUrl({ user, password, host, port, database, caFile }: DatabaseAddress): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  return `postgresql://${login}@${host}:${port}/${database}?sslmode=verify-full&sslrootcert=${caFile}`;
}
