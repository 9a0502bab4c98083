/** How long things may take while the control plane runs and when it stops, seconds. The pods' grace periods follow from these. */

/**
 * How old a connection to the pooler may get before the pool replaces it, between two queries. A pooler's pod that goes
 * takes no new connections and waits this long for the old ones: so none is ever closed under a query. A shorter life
 * costs logins: 10 connections per pod are two in a second at 4 pods.
 */
export const connectionLifetime = 20;

/** How long a connection to the pooler may take to come about, the wait for a free one of the pool included. */
export const connecting = 5;

/**
 * How long an answer of the database is waited for. More than the longest that one takes in good order: 15 s in PgBouncer's queue
 * (query_wait_timeout) and the role's lock_timeout. A pooler that vanished with its node, or hangs, answers nothing and closes
 * nothing: the kernel itself would give up after a quarter of an hour. A statement that is given up may have been done: then a
 * decision that nobody was told has its receipt. The other way round, a decision without its receipt, cannot come of it.
 */
export const answering = 30;

/** How long a connection may be idle before the kernel asks whether its other end is still there; it asks ten times, once a second. */
export const idleBeforeAsking = 10;

/**
 * How long a program that starts waits for its database to answer. Longer than a Multi-AZ failover; a pod that ended at the first
 * refusal would be started again later and later, up to five minutes after the database is back.
 */
export const firstAnswer = 240;

/**
 * How long a client's connection may be idle before the server closes it. Longer than a load balancer keeps one (60 s: AWS' default): who
 * closes first must be the one that sends, or a request meets the server's end of the connection and the load balancer answers 502.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#connection-idle-timeout
 */
export const idleClient = 65;

/**
 * How long a stopping server goes on answering on open connections, every answer with `Connection: close`. Who uses a connection is told
 * so; one that is idle for this long is closed, and its client finds it closed.
 */
export const farewell = 6;

/** How long requests that are being answered after that have to finish. */
export const lastAnswers = 25;

/** From the signal to the end, at most: what is left after the answers is for the connections to the database. */
export const longestStop = farewell + lastAnswers + 4;

/** How often at most each process notes in the database that an API key was used: nobody needs to know it to the second. */
export const noteKeyUse = 60;
