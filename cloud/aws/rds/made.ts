/** What the directory of a server holds once it is whole: what was begun and not finished is begun again. */
import { join } from "node:path";
import { readIfThere } from "../../host/files";
import type { Server } from "./server";

export interface Made {
  role: "primary" | "replica";
  major: number;
}

export function madeIn(server: Pick<Server, "read">): Made | undefined {
  const text = server.read("made.json");
  return text === undefined ? undefined : (JSON.parse(text) as Made);
}

export const remember = (server: Server, made: Made): boolean => server.write("made.json", JSON.stringify(made));

/** The major version that the data itself says it is of. */
export const majorOfData = ({ data }: Server): number => Number(readIfThere(join(data, "PG_VERSION")));
