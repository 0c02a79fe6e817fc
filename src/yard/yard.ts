/**
 * A yard: one set of net clients and the commands that steer them. It is given a Host and a table of drivers, knows
 * nothing of sockets, JSON text or processes, and is what a daemon runs, what the library returns and what a page holds.
 */
import {
  createGuestPort,
  type GuestPort,
  type GuestPortOptions,
  type Host,
  Network,
  noTrace,
  ProtectedAddresses,
  type Trace,
} from '../net/index.ts';
import { type JsonObject, type JsonValue, parseNetdevArgument, QapiError, Schema } from '../qapi/index.ts';
import {
  parseJsonText,
  type QmpContext,
  type QmpEvent,
  QmpSessionError,
  type QmpTarget,
  type VersionInfo,
} from '../qmp/index.ts';
import { NETYARD_TABLE, type Netdev } from '../schema/net.ts';
import { commands } from './commands/index.ts';
import { EventBus } from './event-bus.ts';
import { isIdentifier } from './identifier.ts';
import { type DriverTable, NetdevRegistry } from './netdev-registry.ts';
import { PassedDescriptors } from './passed-descriptors.ts';

export interface YardEnvironment {
  readonly host: Host;
  readonly drivers: DriverTable;
  /** Gets the trace points of this yard; default: nobody. */
  readonly trace?: Trace | undefined;
  /** netyard's own version, shown as the package in QMP's greeting. */
  readonly version: string;
}

export interface YardSettings {
  /** Shown by query-name; a daemon's sockets live under this name. */
  readonly name?: string | undefined;
  /** Netdevs that nothing claims are ports of one switch; false as with -nodefaults. Default true. */
  readonly switch?: boolean | undefined;
  /** Where netdevs keep what outlives the yard, unless their options say otherwise. Default: nothing is kept. */
  readonly stateDirectory?: string | undefined;
}

/** The release of QEMU whose behaviour the replies follow. */
const REFERENCE_VERSION = { major: 9, minor: 1, micro: 0 } as const;

export class Yard implements QmpTarget {
  readonly host: Host;
  readonly network: Network;
  readonly netdevs: NetdevRegistry;
  readonly schema: Schema;
  readonly settings: YardSettings;
  /** Greeting and query-version. */
  readonly version: VersionInfo;
  /** Named by getfd, used by `fd=` options. */
  readonly descriptors: PassedDescriptors;
  /** Where its monitors listen on TCP. */
  readonly protectedAddresses = new ProtectedAddresses();
  private readonly events: EventBus;
  private closing: Promise<void> | undefined;
  /** What `quit` does once it is answered. */
  onQuit: () => void = () => void this.close();

  constructor(environment: YardEnvironment, settings: YardSettings = {}) {
    this.host = environment.host;
    this.settings = settings;
    const { sockets } = this.host;
    this.descriptors = new PassedDescriptors(
      (descriptor) => sockets.closeDescriptor?.(descriptor),
      (descriptor) => sockets.isPassed?.(descriptor) === true,
    );
    this.version = { qemu: REFERENCE_VERSION, package: `netyard ${environment.version}` };
    this.schema = new Schema(NETYARD_TABLE);
    this.events = new EventBus(this.host.clock);
    const trace = environment.trace ?? noTrace;
    this.network = new Network({ host: this.host, switch: settings.switch !== false, trace });
    this.netdevs = new NetdevRegistry({
      host: this.host,
      network: this.network,
      trace,
      descriptors: this.descriptors,
      drivers: environment.drivers,
      stateDirectory: settings.stateDirectory,
      emit: (name, data) => this.emit(name, data),
      protectedAddresses: this.protectedAddresses,
    });
  }

  isKnown(command: string): boolean {
    return Object.hasOwn(commands, command);
  }

  allowsOob(command: string): boolean {
    return this.schema.commandInfo(command)?.allowOob === true;
  }

  /**
   * Runs one command: arguments are checked against the schema first.
   * @throws QapiError with QEMU's class and text.
   */
  async execute(name: string, args: JsonObject | undefined, context?: QmpContext): Promise<JsonValue> {
    const command = Object.hasOwn(commands, name) ? commands[name as keyof typeof commands] : undefined;
    if (command === undefined) {
      throw new QapiError(`The command ${name} has not been found`, { class: 'CommandNotFound' });
    }
    const result = await command(this, this.schema.inputCommand(name, args) as never, context);
    return this.schema.outputCommand(name, result ?? {});
  }

  subscribe(listener: (event: QmpEvent) => void): () => void {
    return this.events.subscribe(listener);
  }

  emit(name: string, data: Record<string, unknown>): void {
    this.events.emit(name, data as JsonObject);
  }

  /**
   * netdev_add with options that passed the schema.
   * @param fromMonitor its descriptors may then be named.
   */
  async addNetdev(options: Netdev, fromMonitor = false): Promise<void> {
    await this.netdevs.add(options, fromMonitor);
  }

  /**
   * A netdev as `-netdev` takes it: traditional, dotted keys or JSON text.
   * @returns warnings about deprecated spellings, as QEMU prints them.
   */
  async addNetdevText(text: string): Promise<string[]> {
    const { value, warnings } = parseNetdevArgument(this.schema, text, parseJsonText);
    await this.addNetdev(value as unknown as Netdev);
    return warnings;
  }

  /** An in-process guest: a NIC on the yard's switch, or wired to `netdev` alone. */
  attach(options: GuestPortOptions): GuestPort {
    if (this.closing !== undefined) throw new QmpSessionError('NY_QMP_CLOSED', 'the yard is closed: create a new one');
    // A program in plain JavaScript may leave it out, whatever the type says.
    if (options?.id === undefined) throw new QapiError("Parameter 'id' is missing");
    if (!isIdentifier(options.id)) throw new QapiError("Parameter 'id' expects an identifier");
    return createGuestPort(this.network, options);
  }

  /** Closes every netdev and guest; resolves when all their names are free. Idempotent. */
  close(): Promise<void> {
    this.closing ??= (async () => {
      for (const client of this.network.clients()) if (client.isNic) this.network.remove(client);
      await this.netdevs.close();
      this.network.close();
      this.descriptors.close();
    })();
    return this.closing;
  }
}
