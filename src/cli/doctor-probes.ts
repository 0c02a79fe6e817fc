/** What this host has, found by trying it. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createNodeHost, loadNative, toHostError } from '../node/index.ts';
import { forbidsUserNamespaces } from './netns-target.ts';

/** capability.h. */
const CAPABILITIES = { CAP_NET_BIND_SERVICE: 10, CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const;
export type Capability = keyof typeof CAPABILITIES;

const TRY_MS = 5_000;
const HELPERS = [
  '/usr/lib/qemu/qemu-bridge-helper',
  '/usr/libexec/qemu-bridge-helper',
  '/usr/local/libexec/qemu-bridge-helper',
];
const SET_USER_ID = 0o4000;

export interface HostFacts {
  /** Where the addon is, or why there is none. */
  readonly native: { readonly path: string } | { readonly reason: string };
  /** Why /dev/net/tun cannot be opened: an errno; undefined = it can. */
  readonly tun: string | undefined;
  /** Why an ICMP echo socket cannot be opened; undefined = it can. */
  readonly ping: string | undefined;
  /** Why a user cannot make namespaces; undefined = it works. */
  readonly namespaces: string | undefined;
  /** The bridge helper's path, and whether it has the right to do its work for us. */
  readonly bridgeHelper: { readonly path: string; readonly isPrivileged: boolean } | undefined;
  /** Whether the helper's list of bridges is there. */
  readonly bridgeList: boolean;
  /** The switch that `vde` finds by itself. */
  readonly vdeSwitch: string | undefined;
  /** The first port that needs no privilege. */
  readonly firstFreePort: number;
  has(capability: Capability): boolean;
}

export async function probeHost(): Promise<HostFacts> {
  const native = loadNative();
  const capabilities = effectiveCapabilities();
  const has = (name: Capability): boolean => ((capabilities >> BigInt(CAPABILITIES[name])) & 1n) === 1n;
  const helper = HELPERS.find((path) => existsSync(path));
  return {
    native: 'binding' in native ? { path: native.path } : { reason: native.reason },
    tun: tryTun(),
    ping: await tryPing(),
    namespaces: await tryNamespaces(),
    bridgeHelper:
      helper === undefined ? undefined : { path: helper, isPrivileged: isSetUserId(helper) || has('CAP_NET_ADMIN') },
    bridgeList: existsSync('/etc/qemu/bridge.conf'),
    vdeSwitch: ['/var/run/vde.ctl', '/tmp/vde.ctl'].find((path) => existsSync(join(path, 'ctl'))),
    firstFreePort: Number(sysctl('net.ipv4.ip_unprivileged_port_start') ?? 1024),
    has,
  };
}

function effectiveCapabilities(): bigint {
  try {
    const match = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return match === null ? 0n : BigInt(`0x${match[1]}`);
  } catch {
    return 0n;
  }
}

/** Opening is harmless: an interface is made by what follows. */
function tryTun(): string | undefined {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (error) {
    return toHostError(error).code;
  }
  if ('reason' in loadNative()) return undefined;
  const host = createNodeHost();
  try {
    host.kernel.open('/dev/net/tun').close();
    return undefined;
  } catch (error) {
    return toHostError(error).code;
  } finally {
    void host.close();
  }
}

async function tryPing(): Promise<string | undefined> {
  const host = createNodeHost();
  try {
    await (await host.sockets.ping('ipv4')).close();
    return undefined;
  } catch (error) {
    return toHostError(error).code;
  } finally {
    await host.close();
  }
}

/** As `netyard netns -- COMMAND` does it. */
async function tryNamespaces(): Promise<string | undefined> {
  const user = process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const failure = await new Promise<Error | undefined>((resolve) => {
    execFile('unshare', [...user, '--net', '--mount', '--', 'true'], { timeout: TRY_MS }, (error) =>
      resolve(error ?? undefined),
    );
  });
  if (failure === undefined) return undefined;
  if ((failure as NodeJS.ErrnoException).code === 'ENOENT')
    return 'unshare is not installed: apt-get install util-linux';
  return forbidsUserNamespaces() ?? 'the kernel, or the container around, does not let this user make namespaces';
}

function isSetUserId(path: string): boolean {
  try {
    const { mode, uid } = statSync(path);
    return uid === 0 && (mode & SET_USER_ID) !== 0;
  } catch {
    return false;
  }
}

function sysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
