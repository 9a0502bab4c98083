/**
 * Continuous archiving of the write-ahead log, by the server itself as on RDS (`archive_command`, a segment every five minutes at
 * least). A receiver that streams would lose less with the primary's disk, but its slot and its session are none that an RDS
 * instance has, it needs somebody to start it again, and it can be left behind. The server's own archiver starts with it, tries a
 * segment until it is kept, keeps the log that is not archived yet whatever happens, and archives the last of it at a fast shutdown.
 */
import type { Server } from "../server";

/** A segment is kept whole, on disk, under its name, or not at all; and never another one in its place. */
const archiveScript = (wal: string) => `set -eu
umask 077
kept=${quoted(wal)}/$2.gz
if [ -e "$kept" ]; then # killed before PostgreSQL had noted it
  gzip -dc "$kept" | cmp -s - "$1" && exit 0
  echo "archive-wal: $kept is there already and has other content: archiving is halted" >&2
  exit 1
fi
gzip -1 <"$1" >"$kept.new"
touch -r "$1" "$kept.new" # when it was last written to: until then its commits reach
sync "$kept.new"
mv "$kept.new" "$kept"
sync ${quoted(wal)}
`;

/** What recovery asks for: a status above 125 ends it, any other failure means that there is no such file. */
const restoreScript = (wal: string) => `kept=${quoted(wal)}/$1.gz
[ -e "$kept" ] || exit 1
gzip -dc "$kept" >"$2" && exit 0
echo "restore-wal: $kept is damaged" >&2
exit 200
`;

const quoted = (path: string) => `'${path.replaceAll("'", "'\\''")}'`;

/** Has a server archive to a directory; the scripts are beside its data, where the server runs its commands. */
export function archivingSettings(server: Server, wal: string): Record<string, string> {
  server.write("archive-wal.sh", archiveScript(wal));
  return { archive_mode: "on", archive_command: 'sh ../archive-wal.sh "%p" "%f"', archive_timeout: "300" };
}

export function recoverySettings(server: Server, wal: string): Record<string, string> {
  server.write("restore-wal.sh", restoreScript(wal));
  return { restore_command: 'sh ../restore-wal.sh "%f" "%p"' };
}
