/** One JSON object per line for machines; on a terminal the same for people. */

export type Fields = Record<string, unknown>;

export interface Log {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
}

/** A log on stdout whose lines carry the program's name. */
export function createLog(program: string, stream: NodeJS.WriteStream = process.stdout): Log {
  const write = (level: string, message: string, fields: Fields) => {
    if (stream.isTTY) {
      const details = Object.entries(fields).map(
        ([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
      );
      stream.write(`${level === "info" ? "" : `${level}: `}${message}${details.join("")}\n`);
    } else {
      stream.write(`${JSON.stringify({ time: new Date().toISOString(), level, program, message, ...fields })}\n`);
    }
  };
  return {
    info: (message, fields = {}) => write("info", message, fields),
    warn: (message, fields = {}) => write("warn", message, fields),
  };
}

/** For tests and for callers that report by themselves. */
export const silentLog: Log = { info: () => undefined, warn: () => undefined };
