import type pg from "pg";

/** A connection to a server whose clock is off by so much, in what it says of the present. */
export function withClockOff(client: pg.Client, ms: number): pg.Client {
  const query = (...args: Parameters<typeof client.query>) => {
    // Of a cursor rows are read later.
    return typeof args[0] === "string" ? asked(...(args as unknown as [string, unknown[]?])) : client.query(...args);
  };
  const asked = async (...args: [string, unknown[]?]) => {
    const result = await client.query<{ as_of?: unknown }>(...args);
    for (const row of result.rows ?? [])
      if (typeof row.as_of === "string")
        row.as_of = new Date(Date.parse(row.as_of) + ms).toISOString().replace("Z", "000Z");
    return result;
  };
  return new Proxy(client, { get: (of, name) => (name === "query" ? query : (Reflect.get(of, name) as unknown)) });
}
