/**
 * The life of a netdev: checked, started, registered, deleted (QEMU net/net.c, net_client_init1 and qmp_netdev_del).
 *
 * Adds and deletes run one after the other whoever asks, so a name is never half there: an add replies when the driver
 * has started (binds, resolves and chosen ports are known), a delete when its names are free again or after
 * RELEASE_LIMIT_MS; an add of a name still held waits for it. A failed start leaves nothing registered and nothing open.
 */
import type {
  ChildPort,
  Endpoint,
  Host,
  NetClient,
  NetdevContext,
  NetdevFactory,
  Network,
  Port,
  ProtectedAddresses,
  Trace,
} from '../net/index.ts';
import { QapiError } from '../qapi/index.ts';
import type { Netdev } from '../schema/net.ts';
import { deviceNotFound, notCompiled } from './errors.ts';
import type { PassedDescriptors } from './passed-descriptors.ts';

/** A netdev_del replies after this long even if the driver still holds something. */
const RELEASE_LIMIT_MS = 1000;
/** A `user` netdev takes half a megabyte: all of them together stay below what a small machine has. */
const MAX_NETDEVS = 512;

/** Which drivers this program has: the rest of the schema's answers "not compiled into this binary". */
export type DriverTable = { readonly [type: string]: NetdevFactory<never> };

interface Child {
  readonly endpoint: Endpoint;
  readonly kick: () => void;
}

interface Running {
  readonly endpoint: Endpoint;
  readonly client: NetClient;
  readonly abort: AbortController;
  readonly children: Map<string, Child>;
}

export interface RegistryEnvironment {
  readonly host: Host;
  readonly network: Network;
  readonly drivers: DriverTable;
  readonly trace: Trace;
  readonly descriptors: PassedDescriptors;
  readonly stateDirectory: string | undefined;
  readonly emit: (name: string, data: Record<string, unknown>) => void;
  readonly protectedAddresses: ProtectedAddresses;
}

export class NetdevRegistry {
  private readonly env: RegistryEnvironment;
  private readonly running = new Map<string, Running>();
  /** Those of all netdevs, by name. */
  private readonly children = new Map<string, Child>();
  private readonly releasing = new Map<string, Promise<void>>();
  /** Set when the yard ends: no start from then on. */
  private closing: QapiError | undefined;
  private starting: AbortController | undefined;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(env: RegistryEnvironment) {
    this.env = env;
  }

  /**
   * Starts a netdev whose options passed the schema.
   * @param fromMonitor descriptors may then be named.
   * @throws QapiError in QEMU's words; HostError texts arrive as the driver worded them.
   */
  add(options: Netdev, fromMonitor: boolean): Promise<void> {
    return this.inOrder(() => this.start(options, fromMonitor));
  }

  /** @throws QapiError DeviceNotFound, or GenericError `Device 'x' is not a netdev`. */
  delete(id: string): Promise<void> {
    return this.inOrder(() => this.stop(id));
  }

  hasDriver(type: string): boolean {
    return Object.hasOwn(this.env.drivers, type);
  }

  client(id: string): NetClient | undefined {
    return this.running.get(id)?.client;
  }

  ids(): string[] {
    return [...this.running.keys()];
  }

  /** Ends everything, also starts under way. */
  async close(): Promise<void> {
    this.closing = new QapiError('the yard is closing');
    this.starting?.abort(this.closing);
    await this.inOrder(async () => {
      for (const id of [...this.running.keys()].reverse()) await this.stop(id);
    });
    await Promise.all(this.releasing.values());
  }

  private inOrder<T>(work: () => Promise<T>): Promise<T> {
    const result = this.tail.then(work);
    this.tail = result.catch(() => undefined);
    return result;
  }

  private async start(options: Netdev, fromMonitor: boolean): Promise<void> {
    const { id, type } = options;
    const { network, host, drivers, descriptors } = this.env;
    if (this.closing !== undefined) throw this.closing;
    const factory = Object.hasOwn(drivers, type) ? drivers[type] : undefined;
    if (factory === undefined) throw notCompiled(type);
    await this.releasing.get(id);
    if (network.findNetdev(id) !== undefined) throw new QapiError(`Duplicate ID '${id}'`);
    if (this.running.size >= MAX_NETDEVS)
      throw new QapiError(`too many netdevs (limit ${MAX_NETDEVS}): delete one first`);

    const endpoint = network.open(id, type, { isNetdev: true, trusted: options.trusted });
    const abort = new AbortController();
    const children = new Map<string, Child>();
    const context: NetdevContext = {
      id,
      port: endpoint,
      host,
      log: host.log,
      trace: this.env.trace,
      isSwitched: network.switch !== undefined,
      stateDirectory: this.env.stateDirectory,
      signal: abort.signal,
      emit: this.env.emit,
      protectedAddresses: this.env.protectedAddresses,
      openChild: (name, create, kick) => this.openChild(children, name, options.trusted, create, kick),
      takeDescriptor: (text) => (fromMonitor ? descriptors.take(text) : descriptors.takeNumber(text)),
      joinHub: (hubId, netdev) => network.joinHub(endpoint, hubId, netdev),
    };
    this.starting = abort;
    let client: NetClient;
    try {
      client = await (factory as NetdevFactory<Netdev>)(options, context);
    } catch (error) {
      abort.abort(error);
      this.dropChildren(children);
      network.remove(endpoint);
      throw error;
    } finally {
      this.starting = undefined;
    }
    const running: Running = { endpoint, client, abort, children };
    this.running.set(id, running);
    endpoint.attach(client);
    if (client.hasNoWire !== true) network.autoSwitch(endpoint);
  }

  private openChild(
    children: Map<string, Child>,
    name: string,
    trusted: boolean | undefined,
    create: (port: Port) => NetClient,
    kick: () => void,
  ): ChildPort {
    const { network } = this.env;
    if (network.findNetdev(name) !== undefined) throw new QapiError(`Duplicate ID '${name}'`);
    const endpoint = network.open(name, 'stream', { isNetdev: true, trusted });
    const child: Child = { endpoint, kick };
    children.set(name, child);
    this.children.set(name, child);
    endpoint.attach(create(endpoint));
    network.autoSwitch(endpoint);
    return {
      port: endpoint,
      remove: () => {
        if (children.get(name) !== child) return;
        children.delete(name);
        this.children.delete(name);
        network.remove(endpoint);
      },
    };
  }

  private async stop(id: string): Promise<void> {
    const running = this.running.get(id);
    if (running === undefined) {
      const child = this.children.get(id);
      if (child !== undefined) {
        child.kick();
        return;
      }
      throw this.env.network.findNetdev(id) === undefined
        ? deviceNotFound(id)
        : new QapiError(`Device '${id}' is not a netdev`);
    }
    this.running.delete(id);
    running.abort.abort(new QapiError(`netdev '${id}' was deleted`));
    this.dropChildren(running.children);
    this.env.network.remove(running.endpoint);
    const released = running.client.close().catch((error: unknown) => {
      this.env.host.log.warn('netdev did not close cleanly', { id, error: String(error) });
    });
    this.releasing.set(id, released);
    void released.then(() => {
      if (this.releasing.get(id) === released) this.releasing.delete(id);
    });
    await this.atMost(released, RELEASE_LIMIT_MS);
  }

  private dropChildren(children: Map<string, Child>): void {
    for (const [name, child] of [...children]) {
      child.kick();
      if (children.delete(name)) {
        this.children.delete(name);
        this.env.network.remove(child.endpoint);
      }
    }
  }

  private atMost(work: Promise<void>, limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.env.host.timers.create(resolve);
      timer.set(this.env.host.clock.now() + limitMs);
      void work.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
