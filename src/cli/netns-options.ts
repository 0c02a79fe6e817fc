/** What `netyard netns` is asked for. */
import { fstatSync, type Stats } from 'node:fs';
import { CommandLineError } from './scan-options.ts';

/** As commander gives them. */
export interface GivenOptions {
  readonly mtu: string;
  readonly publish: readonly string[];
  readonly hostLoopback?: boolean;
  readonly deny: readonly string[];
  readonly net: string;
  readonly tap: string;
  readonly userns?: string;
  readonly readyFd?: string;
}

export interface NetnsOptions {
  readonly mtu: number;
  /** hostfwd rules, as the `user` netdev takes them. */
  readonly forwards: readonly string[];
  /** Whether programs inside reach the host's loopback, at the gateway's address. */
  readonly hostLoopback: boolean;
  /** Whether they reach the other addresses of the host. */
  readonly hostAddresses: boolean;
  /** `10.0.2.0/24`: the netdev's `net` option, which checks it. */
  readonly net: string;
  readonly tap: string;
  readonly userNamespace: string | undefined;
  readonly readyDescriptor: number | undefined;
}

/** The least that IPv4 may have; the most that a tap takes. */
const MIN_MTU = 68;
const MAX_MTU = 65521;
const MAX_NAME = 15;
const MAX_PORT = 65535;

/** @throws CommandLineError */
export function readNetnsOptions(given: GivenOptions): NetnsOptions {
  const { tap } = given;
  if (!/^[^\s/:%]+$/.test(tap) || Buffer.byteLength(tap) > MAX_NAME || tap === '.' || tap === '..') {
    throw new CommandLineError(`--tap ${tap}: not a name that an interface can have`);
  }
  for (const what of given.deny) {
    if (what !== 'host') throw new CommandLineError(`--deny ${what}: expected 'host', the addresses of this machine`);
  }
  return {
    mtu: number('--mtu', given.mtu, MIN_MTU, MAX_MTU),
    forwards: given.publish.map(forwardRule),
    hostLoopback: given.hostLoopback === true,
    hostAddresses: given.deny.length === 0,
    net: given.net,
    tap,
    userNamespace: given.userns,
    readyDescriptor: given.readyFd === undefined ? undefined : givenDescriptor(given.readyFd),
  };
}

/**
 * `[ADDRESS:]HOSTPORT:PORT[/udp|/tcp]` as a hostfwd rule. Without an address every one of the host; host port 0 is a free one.
 * @throws CommandLineError
 */
export function forwardRule(text: string): string {
  const match = /^(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/.exec(text);
  const [, address = '', hostPort = '', port = '', protocol = 'tcp'] = match ?? [];
  if (match === null || Number(hostPort) > MAX_PORT || Number(port) > MAX_PORT || Number(port) === 0) {
    throw new CommandLineError(`--publish ${text}: expected [ADDRESS:]HOSTPORT:PORT[/udp], as in 127.0.0.1:8080:80`);
  }
  return `${protocol}:${address}:${hostPort}-:${port}`;
}

/** Node's own are of other kinds, but for a pipe or two. */
function givenDescriptor(text: string): number {
  const descriptor = number('--ready-fd', text, 0, 0x7fffffff);
  let found: Stats | undefined;
  try {
    found = fstatSync(descriptor);
  } catch {
    // There is none.
  }
  if (found?.isFIFO() || found?.isSocket() || found?.isFile() || found?.isCharacterDevice()) return descriptor;
  throw new CommandLineError(`--ready-fd ${text}: no such descriptor was given: netyard netns ... ${text}>FILE`);
}

function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value < least || value > most) {
    throw new CommandLineError(`${option} ${text}: expected a number from ${least} to ${most}`);
  }
  return value;
}
