/** The engine's part in a few lines: calls handlers as it would, with a directory, ports and the resources made so far. */
import { chownSync, chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { handlers } from "../../cloud/aws";
import { databaseCaDirectory, ensureDatabaseCa } from "../../cloud/aws/databaseCa";
import type { Context, Handler, Properties, Resource } from "../../cloud/handler";
import { findServiceUser } from "../../cloud/host/user";
import { freePort, stillOurs } from "../../cloud/host/ports";
import { stopAll } from "../../cloud/host/process";
import { substitutes } from "../../local/substitutes";

export class FakeCloud {
  readonly serviceUser = findServiceUser();

  readonly live = new Map<string, Resource>();
  readonly log: string[] = [];
  readonly #ports = new Map<string, number>();
  readonly #abort = new AbortController();

  constructor(readonly root = mkdtempSync(join(process.env["TEST_SERVERS_DIR"] ?? tmpdir(), "cloud-"))) {
    this.#own(this.root);
  }

  /** The PEM that clients of the databases are to trust. */
  ca(): Promise<string> {
    return ensureDatabaseCa(databaseCaDirectory(this.root));
  }

  handler(type: string): Required<Handler> {
    const handler = handlers[type];
    if (handler === undefined) throw new Error(`no handler for ${type}`);
    return handler as Required<Handler>;
  }

  context(type: string, name: string): Context {
    const directory = join(this.root, name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#own(directory);
    return {
      urn: `urn:pulumi:test::test::${type}::${name}`,
      type,
      name,
      physicalName: `${name}-1234567`,
      directory,
      serviceUser: this.serviceUser,
      substitutes,
      port: async (key) => {
        const remembered = this.#ports.get(`${name}/${key}`);
        if (remembered !== undefined && (await stillOurs(remembered, directory))) return remembered;
        const port = await freePort(new Set(this.#ports.values()));
        this.#ports.set(`${name}/${key}`, port);
        return port;
      },
      resources: (wanted) => [...this.live.values()].filter((resource) => resource.type === wanted),
      log: (line) => void this.log.push(`${name}: ${line}`),
      signal: this.#abort.signal,
    };
  }

  async create(type: string, name: string, inputs: Properties): Promise<Resource> {
    const context = this.context(type, name);
    const { id, outputs } = await this.handler(type).create(inputs, context);
    return this.put({ urn: context.urn, type, name, id, inputs, outputs, dependencies: [] });
  }

  async update(name: string, change: Properties): Promise<Resource> {
    const current = this.get(name);
    const inputs = { ...current.inputs, ...change };
    const outputs = await this.handler(current.type).update(current, inputs, this.context(current.type, name));
    return this.put({ ...current, inputs, outputs });
  }

  async heal(name: string): Promise<string | undefined> {
    const current = this.get(name);
    const healed = await this.handler(current.type).heal(current, this.context(current.type, name));
    if (healed?.outputs) this.put({ ...current, outputs: healed.outputs });
    return healed?.did;
  }

  async stop(name: string): Promise<void> {
    const current = this.get(name);
    await this.handler(current.type).stop(current, this.context(current.type, name));
  }

  async delete(name: string): Promise<void> {
    const current = this.get(name);
    this.live.delete(name);
    try {
      await this.handler(current.type).delete(current, this.context(current.type, name));
    } catch (error) {
      this.put(current);
      throw error;
    }
    rmSync(join(this.root, name), { recursive: true, force: true });
  }

  status(name: string): Promise<{ healthy: boolean; text: string }> {
    const current = this.get(name);
    return this.handler(current.type).status(current, this.context(current.type, name));
  }

  get(name: string): Resource {
    const found = this.live.get(name);
    if (found === undefined) throw new Error(`no resource ${name}`);
    return found;
  }

  put(resource: Resource): Resource {
    this.live.set(resource.name, resource);
    return resource;
  }

  /** Takes a port away from a resource whose server is down, as another program might. */
  forgetPort(name: string): void {
    this.#ports.delete(`${name}/postgres`);
  }

  async destroy(): Promise<void> {
    await stopAll(this.root, { signal: "SIGQUIT", graceMs: 3000 });
    rmSync(this.root, { recursive: true, force: true });
  }

  #own(directory: string): void {
    chmodSync(directory, 0o700);
    if (this.serviceUser) chownSync(directory, this.serviceUser.uid, this.serviceUser.gid);
  }
}
