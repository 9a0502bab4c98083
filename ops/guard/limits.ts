/** How long things may take while the control plane runs and when it stops, seconds. The pods' grace periods follow from these. */

/**
 * How old a connection to the pooler may get before the pool replaces it, between two queries. A pooler's pod that goes
 * takes no new connections and waits this long for the old ones: so none is ever closed under a query. A shorter life
 * costs logins: 10 connections per pod are two in a second at 4 pods.
 */
export const connectionLifetime = 20;

/**
 * How long a stopping server goes on answering on open connections, every answer with `Connection: close`. One second more than
 * Node's keepAliveTimeout: whoever has not used a connection by then has been told to expect its end.
 */
export const farewell = 6;

/** How long requests that are being answered after that have to finish. */
export const lastAnswers = 25;

/** From the signal to the end, at most: what is left after the answers is for the connections to the database. */
export const longestStop = farewell + lastAnswers + 4;
