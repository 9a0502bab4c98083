/** What an ingress rule of a database server admits. */
export const postgresOnly = { ipProtocol: "tcp", fromPort: 5432, toPort: 5432 };
