/** PgBouncer itself, its pools, and the psql that checks it at its start, MiB. */
const base = 64;

/** A client over TLS costs 15 to 27 kB (1.25.2, measured); KiB. */
const perClient = 27;

/**
 * Memory of one process of a PgBouncer pod, by the clients that it takes: what it needs when all are there, and twice
 * that before it is ended.
 */
export function pgbouncerMemory(maxClients: number): { request: string; limit: string } {
  const needed = base + Math.ceil((maxClients * perClient) / 1024);
  return { request: `${needed}Mi`, limit: `${2 * needed}Mi` };
}
