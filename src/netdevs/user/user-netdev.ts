/**
 * netdev `user`: a network of its own behind a NAT made of ordinary sockets (QEMU net/slirp.c).
 *
 * The guests see a gateway that is the host, a name server, and DHCP; the outside sees the host's own connections.
 */
import type { Lease, NetClient, NetdevContext, UsernetControl } from '../../net/client.ts';
import { type Frame, OFFLOAD_CHECKSUM, OFFLOAD_TSO4 } from '../../net/frame.ts';
import type { Log } from '../../net/host.ts';
import type { NetdevUserOptions } from '../../schema/net.ts';
import { EgressPolicy, TcpStack, type TcpStackOptions, UserStack, virtualMac } from '../../slirp/index.ts';
import { formatIpv4, formatMac } from '../../wire/index.ts';
import { parseHostForward } from './forward-rules.ts';
import { HostForwards } from './forwards.ts';
import { LeaseFile } from './lease-file.ts';
import { leasePlace } from './lease-place.ts';
import { parseUserOptions, type UserConfig } from './options.ts';

/**
 * The driver. Listening sockets of forwards are there when it resolves.
 * @throws QapiError with QEMU's texts for options and forwards.
 */
export async function createUserNetdev(options: NetdevUserOptions, context: NetdevContext): Promise<NetClient> {
  const config = parseUserOptions(options, context.isSwitched === true);
  const { port, host, signal } = context;
  const log = namedLog(context.log, context.id);
  for (const warning of config.warnings) log.warn(warning);
  if (config.ipv6) log.debug('IPv6 is not available yet: only IPv4 is served');
  const traceStates: TcpStackOptions['trace'] = (flow, from, to) =>
    context.trace('tcp-state', context.id, () => `${flow.guestPort} ${from} ${to}`);
  const policy = new EgressPolicy(config.egress, context.protectedAddresses, host.sockets, log);
  const stack = new UserStack(
    config.stack,
    port,
    host,
    log,
    policy,
    (layer) => new TcpStack(layer, { trace: traceStates }),
  );
  const forwards = new HostForwards(stack, context.log, context.id);
  const place = leasePlace(options.leases, context.stateDirectory, context.id, config.stack);
  const leaseFile = place === undefined ? undefined : new LeaseFile(place, host, log);
  try {
    await leaseFile?.follow(stack.leases);
    for (const rule of config.hostForwards) {
      await forwards.add(rule);
      signal.throwIfAborted();
    }
  } catch (error) {
    await stack.close();
    await leaseFile?.close();
    throw error;
  }
  port.claimAddress(virtualMac(config.stack.host));
  port.claimAddress(virtualMac(config.stack.dns));
  port.ownAddress(config.stack.host);
  port.ownAddress(config.stack.dns);
  return new UserNetdev(config, stack, forwards, leaseFile, host.clock);
}

class UserNetdev implements NetClient {
  readonly offloads = OFFLOAD_CHECKSUM | OFFLOAD_TSO4;
  /** BUSY parks the flows towards one guest. */
  readonly perFlowBusy = true;
  readonly usernet: UsernetControl;
  readonly #config: UserConfig;
  readonly #stack: UserStack<TcpStack>;
  readonly #leaseFile: LeaseFile | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    config: UserConfig,
    stack: UserStack<TcpStack>,
    forwards: HostForwards,
    leaseFile: LeaseFile | undefined,
    clock: { now(): number },
  ) {
    this.#config = config;
    this.#stack = stack;
    this.#leaseFile = leaseFile;
    const { network, mask, host, dns, dhcpStart } = config.stack;
    this.usernet = {
      addresses: {
        network: `${formatIpv4(network)}/${prefixLength(mask)}`,
        host: formatIpv4(host),
        dns: formatIpv4(dns),
        dhcpStart: formatIpv4(dhcpStart),
      },
      leases: () => leases(stack, clock.now()),
      forwards: () => forwards.list(),
      flows: () => [...stack.tcp.flows(), ...stack.udp.flows(), ...stack.echo.flows()],
      addForward: async (rule) => forwards.add(parseHostForward(rule, dhcpStart)),
      removeForward: async (spec) => forwards.remove(spec),
      statistics: () => stack.statistics(),
    };
  }

  receive(frame: Frame): boolean {
    this.#stack.receive(frame);
    return true;
  }

  ingressGone(ingress: number): void {
    this.#stack.ingressGone(ingress);
  }

  /** Sockets live on while the link is down; the core drops the frames. */
  linkChanged(): void {}

  info(): string {
    const { network, restrict } = this.#config.stack;
    return `net=${formatIpv4(network)},restrict=${restrict ? 'on' : 'off'}`;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#stack.close();
      await this.#leaseFile?.close();
    })();
    return this.#closing;
  }
}

/** Says in each line which netdev it is about. */
function namedLog(log: Log, netdev: string): Log {
  return {
    debug: (message, fields) => log.debug(message, { netdev, ...fields }),
    info: (message, fields) => log.info(message, { netdev, ...fields }),
    warn: (message, fields) => log.warn(message, { netdev, ...fields }),
    error: (message, fields) => log.error(message, { netdev, ...fields }),
  };
}

function leases(stack: UserStack<TcpStack>, now: number): Lease[] {
  return stack.boundLeases().map((slot) => ({
    mac: formatMac(slot.mac),
    address: formatIpv4(slot.address),
    hostname: slot.hostname === '' ? undefined : slot.hostname,
    expiresIn: Math.max(0, Math.round((slot.expiresAt - now) / 1000)),
  }));
}

/** Set bits: a mask with holes has no better number. */
function prefixLength(mask: number): number {
  return (mask >>> 0).toString(2).replaceAll('0', '').length;
}
