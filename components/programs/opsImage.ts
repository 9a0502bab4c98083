/** The Node image that the programs are tested with. */
export const opsImage = "node:22.21.1-alpine3.22";
