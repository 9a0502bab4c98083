/**
 * What the servers are called. One that is promoted keeps its name, since another would be another server; a replica
 * that is made after a failover has the next.
 */
export const serverNames = (name: string, failovers: number) => ({
  primary: nameOf(name, failovers),
  replica: nameOf(name, failovers + 1),
});

const nameOf = (name: string, number: number) =>
  number === 0 ? `${name}-primary` : number === 1 ? `${name}-replica` : `${name}-replica-${number}`;
