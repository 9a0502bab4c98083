/** Settings of the session that changes a database's structure, whatever the server's or the role's are. */
export const sessionSettings = `
  set search_path = public, audit;
  set timezone = 'UTC';
  set statement_timeout = 0;
  set client_min_messages = warning;
  set client_connection_check_interval = '2s'`;
