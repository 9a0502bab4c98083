/**
 * From the world inside containers to this machine, where pods share one file system and one network. Four rules:
 * 1. a mount path becomes the directory that it is here;
 * 2. a service's address becomes localhost and the port of its forwarder, a headless one's those of its pods, divided by commas;
 * 3. a port that the container declares becomes the one allotted to this pod, where it stands for one's own port: in a
 *    setting named …port, or behind localhost;
 * 4. "all interfaces" in a setting named …addr, …address, …host or …bind becomes the pod's address, 127.0.0.1.
 * Nothing else is touched: what no rule covers fails here as it would with a wrong name in a cluster.
 */

/** The address that every pod on this machine has. */
export const podAddress = "127.0.0.1";

export interface ServiceAddress {
  name: string;
  namespace: string;
  /** From the service's port to the one that its forwarder listens on. */
  ports: Readonly<Record<string, number>>;
  /** Of a headless service, which has no forwarder: from its port to those of its ready pods. */
  pods?: Readonly<Record<string, readonly number[]>>;
}

/** What stands for a service's address: its forwarder's; of a headless one, its pods', divided by commas as DNS would list them. */
export function localAddress({ ports, pods }: ServiceAddress, port: string): string | undefined {
  const local = pods ? (pods[port] ?? []) : (ports[port] ?? []);
  const addresses = [local].flat().map((one) => `localhost:${one}`);
  return addresses.length > 0 ? addresses.join(",") : undefined;
}

export interface Translation {
  /** The namespace that short service names are looked up in; undefined: only names that carry theirs are known. */
  namespace?: string | undefined;
  services: readonly ServiceAddress[];
  /** From mount path to real path. */
  mounts: ReadonlyMap<string, string>;
  /** From container port to allotted port. */
  ports: ReadonlyMap<number, number>;
  /** Told of each service address that was used, so that a later move of the forwarder can be noticed. */
  used?: (service: ServiceAddress, port: string) => void;
}

const anywhere = /^(\*|0\.0\.0\.0|::|\[::\])$/;
const hostName = /(^|[_.-])(addr|address|host|bind|listen)$/i;

/** A text in which container addresses and paths may stand anywhere: a URL, a shell command. */
export function translateText(text: string, to: Translation): string {
  return translateServices(translateLoopback(translatePaths(text, to), to), to);
}

/** The value of a setting whose name says what it is, as an environment variable's does. */
function translateSetting(name: string, value: string, to: Translation): string {
  const own = to.ports.get(Number(value));
  if (own !== undefined && /(^|[_.-]|[a-z])port$/i.test(name)) return String(own);
  if (anywhere.test(value) && hostName.test(name)) return podAddress;
  return translateText(value, to);
}

/** Environment variables; a …HOST that names a service takes its …PORT along. */
export function translateEnvironment(env: Readonly<Record<string, string>>, to: Translation): Record<string, string> {
  const translated = Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, translateSetting(name, value, to)]),
  );
  for (const [name, value] of Object.entries(env)) {
    const portName = name.replace(/HOST$/, "PORT");
    const port = env[portName];
    const service = portName === name || port === undefined ? undefined : serviceNamed(value, to);
    const local = port === undefined ? undefined : service?.ports[port];
    if (!service || port === undefined || local === undefined) continue;
    to.used?.(service, port);
    translated[name] = "localhost";
    translated[portName] = String(local);
  }
  return translated;
}

/** Command lines: `--port=3000`, `--port 3000`, `-p 3000`, `--host=0.0.0.0`, and the rest as text. */
export function translateArguments(args: readonly string[], to: Translation): string[] {
  return args.map((argument, index) => {
    const [, flag, value] = /^(--?[\w.-]+)=(.*)$/s.exec(argument) ?? [];
    if (flag !== undefined && value !== undefined) return `${flag}=${translateSetting(flag, value, to)}`;
    const before = args[index - 1] ?? "";
    if (before === "-p" || /^--?[\w.-]+$/.test(before))
      return translateSetting(before === "-p" ? "port" : before, argument, to);
    return translateText(argument, to);
  });
}

/** A configuration file: settings at the start of a line, `name = value` or `name: value`, quoted or not, and the rest as text. */
export function translateFile(text: string, to: Translation): string {
  const lines = text.replace(
    /^([ \t]*["']?([\w.-]+)["']?[ \t]*[=:][ \t]*["']?)([\w.:*[\]]+)(?=["']?[ \t]*(?:[;,#}\]]|$))/gm,
    (line, start: string, name: string, value: string) => {
      const own = to.ports.has(Number(value)) && /port$/i.test(name);
      const everywhere = anywhere.test(value) && hostName.test(name);
      return own || everywhere ? start + translateSetting(name, value, to) : line;
    },
  );
  return translateText(lines, to);
}

/** What a preStop hook or an exec probe runs: process 1 is the container's own, which has another number here. */
export function translateInside(command: readonly string[], to: Translation, pid: number): string[] {
  const signalled = command.map((part, index) => {
    if (/(^|\/)kill$/.test(command[0] ?? "") && index > 0) return part === "1" ? String(pid) : part;
    return part
      .replace(/\b(kill(?:\s+-\S+)*\s+(?:--\s+)?)1(?![\w.])/g, `$1${pid}`)
      .replace(/\/proc\/1(?=\/|\b)/g, `/proc/${pid}`);
  });
  return translateArguments(signalled, to);
}

function translatePaths(text: string, to: Translation): string {
  const longestFirst = [...to.mounts.keys()].sort((a, b) => b.length - a.length);
  if (longestFirst.length === 0) return text;
  const paths = longestFirst.map((path) => escape(path.replace(/\/+$/, "")));
  const plain = new RegExp(`(^|file://|[^\\w./-])(${paths.join("|")})(?=/|$|[^\\w.-]|\\.(?:\\s|$))`, "gm");
  const encodedPaths = longestFirst.map((path) => escape(encodeURIComponent(path.replace(/\/+$/, ""))));
  const encoded = new RegExp(`(${encodedPaths.join("|")})(?=%2F|$|[^\\w.%-])`, "gim");
  const real = (path: string) => to.mounts.get(path) ?? to.mounts.get(`${path}/`) ?? path;
  return text
    .replace(plain, (_, before: string, path: string) => before + real(path))
    .replace(encoded, (path: string) => encodeURIComponent(real(decodeURIComponent(path))));
}

function translateLoopback(text: string, to: Translation): string {
  return text.replace(
    /(?<![\w.-])(localhost|127\.0\.0\.1|\[::1\]):(\d+)(?!\d)/g,
    (whole, host: string, port: string) => {
      const own = to.ports.get(Number(port));
      return own === undefined ? whole : `${host}:${own}`;
    },
  );
}

/** Service addresses alone: what a person outside the cluster needs of a URL. */
export function translateServices(text: string, to: Pick<Translation, "namespace" | "services" | "used">): string {
  // A bare name is only an address with a port behind it; one with its namespace and ".svc" always is.
  const names = to.services.flatMap((service) => {
    const short = service.namespace === to.namespace ? `|${escape(service.name)}` : "";
    return `${escape(service.name)}\\.${escape(service.namespace)}(?:\\.svc(?:\\.cluster\\.local\\.?)?)?${short}`;
  });
  if (names.length === 0) return text;
  const address = `(?<![\\w.-])(${names.join("|")})`;
  const named = (host: string, port: string) => {
    const service = serviceNamed(host, to);
    const local = service && localAddress(service, port);
    if (local === undefined) return undefined; // no such port: nothing answers there in a cluster either
    to.used?.(service!, port);
    return { service: service!, local };
  };
  const resolve = (whole: string, host: string, port: string, write: (local: number) => string) => {
    const local = named(host, port)?.service.ports[port];
    return local === undefined ? whole : write(local);
  };
  return text
    .replace(
      new RegExp(`${address}:(\\d+)(?!\\d)`, "g"),
      (whole, host: string, port: string) => named(host, port)?.local ?? whole,
    )
    .replace(
      new RegExp(`\\b(host\\s*=\\s*['"]?)${address}(['"]?\\s+port\\s*=\\s*['"]?)(\\d+)`, "g"),
      (whole, ...match: string[]) => {
        const [start = "", host = "", middle = "", port = ""] = match;
        return resolve(whole, host, port, (local) => `${start}localhost${middle}${local}`);
      },
    )
    .replace(new RegExp(`\\b(https?)://${address}(?=[/?#\\s"']|$)`, "g"), (whole, scheme: string, host: string) =>
      resolve(whole, host, scheme === "https" ? "443" : "80", (local) => `${scheme}://localhost:${local}`),
    );
}

function serviceNamed(host: string, to: Pick<Translation, "namespace" | "services">): ServiceAddress | undefined {
  const [name, namespace = to.namespace, ...rest] = host.replace(/\.$/, "").split(".");
  const suffix = rest.join(".");
  if (suffix !== "" && suffix !== "svc" && suffix !== "svc.cluster.local") return undefined;
  return to.services.find((service) => service.name === name && service.namespace === namespace);
}

const escape = (text: string) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
