/** The servers behind known instances. */
import { findServiceUser } from "../../../host/user";
import { postgres } from "../binaries";
import { Server } from "../server";
import type { Known } from "./known";

/** Its files and processes are the service user's, whoever runs this. */
export const serverBehind = (
  { identifier, directory, major }: Known,
  signal: AbortSignal = new AbortController().signal,
): Server => new Server(identifier, directory, postgres(major), findServiceUser(), signal);
