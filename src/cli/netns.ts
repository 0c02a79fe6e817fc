/**
 * `netyard netns`: a `user` netdev for a network namespace, through a tap that is made and set up in it. What slirp4netns
 * and pasta are used for. The tap lives as long as this process: a killed one leaves nothing behind.
 */
import { closeSync, mkdtempSync, readFileSync, rmdirSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostError, type UsernetControl } from '../net/index.ts';
import { nativeDrivers, portableDrivers } from '../netdevs/index.ts';
import { createNodeHost, diagnosticsTrace, type NodeHost } from '../node/index.ts';
import { QapiError } from '../qapi/index.ts';
import { VERSION } from '../version.ts';
import { Yard } from '../yard/index.ts';
import { createLog } from './log.ts';
import { makeTap } from './netns-link.ts';
import { type GivenOptions, type NetnsOptions, readNetnsOptions } from './netns-options.ts';
import { resolverFile, resolverText } from './netns-resolver.ts';
import { findTarget, type HeldCommand, holdCommand, holdCommandIn, type Target } from './netns-target.ts';
import { CommandLineError } from './scan-options.ts';

/** Nothing tells when the last process leaves a namespace, or a name of it goes. */
const LOOK_AGAIN_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs until a signal, the end of the command, or the end of the namespace.
 * @returns the exit status: that of the command; without one 0
 * @throws CommandLineError, HostError, QapiError
 */
export async function runNetns(
  target: string | undefined,
  given: GivenOptions,
  command: readonly string[] | undefined,
): Promise<number> {
  const options = readNetnsOptions(given);
  if (target === undefined && command === undefined) {
    throw new CommandLineError('netns: give a namespace, or a command for one of its own: netyard netns -- COMMAND');
  }
  if (command?.length === 0) throw new CommandLineError('netns: there is no command after --');
  if (target === undefined && options.userNamespace !== undefined) {
    throw new CommandLineError(
      '--userns: a new network namespace gets one of its own; give the namespace that it owns',
    );
  }
  const found = target === undefined ? undefined : findTarget(target, options.userNamespace);
  const log = createLog({ level: 'warn' });
  const host = createNodeHost({ log });
  const yard = new Yard(
    { host, drivers: { ...portableDrivers, ...nativeDrivers }, version: VERSION, trace: diagnosticsTrace },
    {},
  );
  let held: HeldCommand | undefined;
  try {
    // Said before anything is started, with what gets it.
    void host.kernel;
    if (command !== undefined)
      held = await (found === undefined ? holdCommand(command) : holdCommandIn(found, command));
    const at = held?.target ?? (found as Target);
    const usernet = await connect(host, yard, at, options);
    const seen = await nameServer(host, at, usernet.addresses.dns);
    if (held === undefined) process.stdout.write(readyLine(at, usernet, options, seen));
    tellReady(options.readyDescriptor);
    held?.release();
    return await ended(at, held, () => yard.network.findNetdev('tap')?.carrierUp === true);
  } catch (error) {
    held?.process.kill('SIGKILL');
    throw error;
  } finally {
    await yard.close();
    await host.close();
    log.sumUp();
  }
}

async function connect(host: NodeHost, yard: Yard, at: Target, options: NetnsOptions): Promise<UsernetControl> {
  const hostfwd = options.forwards.map((str) => ({ str }));
  const closed = { 'host-loopback': options.hostLoopback, 'host-addresses': options.hostAddresses };
  await yard.addNetdev({ type: 'user', id: 'user', net: options.net, hostfwd, ...closed }).catch((error: unknown) => {
    if (!(error instanceof QapiError) || error.message.includes('forwarding rule')) throw error;
    throw new CommandLineError(`--net ${options.net}: ${error.message}`, { cause: error });
  });
  const usernet = yard.network.findNetdev('user')?.client?.usernet as UsernetControl;
  const { network, host: gateway, dhcpStart } = usernet.addresses;
  const prefix = Number(network.split('/')[1]);
  const tap = await makeTap(host.kernel, at.namespaces, {
    name: options.tap,
    mtu: options.mtu,
    address: dhcpStart,
    prefix,
    gateway,
  }).catch((error: unknown) => {
    if (!(error instanceof HostError) || error.code !== 'EBUSY') throw error;
    throw new CommandLineError(`--tap ${options.tap}: that name is taken there: give another`, { cause: error });
  });
  const { number } = tap;
  tap.release();
  await yard.addNetdev({ type: 'tap', id: 'tap', fd: String(number) });
  return usernet;
}

/** @returns whether the namespace's programs find the name server by themselves. */
async function nameServer(host: NodeHost, { namespaces }: Target, dns: string): Promise<boolean> {
  const file = resolverFile();
  // Mounts of somebody else are not ours to change.
  if (namespaces.mount === undefined) return false;
  if (file === undefined) {
    process.stderr.write(
      `netyard: warning: this host has no /etc/resolv.conf to replace, so programs inside do not know the name server: it is ${dns}\n`,
    );
    return false;
  }
  const text = resolverText(dns, readFileSync(file, 'utf8'));
  const folder = mkdtempSync(join(tmpdir(), 'netyard-netns-'));
  try {
    await host.kernel.openIn(namespaces, [{ kind: 'mount-file', folder, target: file, text }]);
    return true;
  } finally {
    rmdirSync(folder);
  }
}

function readyLine(at: Target, usernet: UsernetControl, options: NetnsOptions, hasNameServer: boolean): string {
  const { dhcpStart, host, dns } = usernet.addresses;
  const forwards = usernet
    .forwards()
    .map((rule) => `, ${rule.protocol} ${rule.hostAddress}:${rule.hostPort} leads to port ${rule.guestPort}`);
  const resolver = hasNameServer ? dns : `${dns} (for /etc/resolv.conf there)`;
  const gateway = options.hostLoopback ? `this host ${host}` : `gateway ${host}`;
  return `netyard: ${at.name}: ${options.tap} is ${dhcpStart}, ${gateway}, name server ${resolver}${forwards.join('')}\n`;
}

/** As slirp4netns does: one byte, then closed. */
function tellReady(descriptor: number | undefined): void {
  if (descriptor === undefined) return;
  try {
    writeSync(descriptor, '1');
    // Those of the terminal are not ours to close.
    if (descriptor > 2) closeSync(descriptor);
  } catch (error) {
    throw new CommandLineError(`--ready-fd ${descriptor}: ${(error as Error).message}`, { cause: error });
  }
}

/** @param hasTap whether the interface is still there: inside they may delete it */
function ended(at: Target, held: HeldCommand | undefined, hasTap: () => boolean): Promise<number> {
  let hadTap = true;
  return new Promise((resolve) => {
    const handlers = SIGNALS.map((signal) => {
      const handler = (): void => {
        // A terminal's interrupt goes to the command by itself; its end is ours.
        if (held === undefined) finish(0);
        else if (signal !== 'SIGINT') held.process.kill(signal);
      };
      process.on(signal, handler);
      return () => process.off(signal, handler);
    });
    const timer = setInterval(() => {
      if (at.exists()) {
        if (hadTap && !hasTap()) {
          hadTap = false;
          process.stderr.write(`netyard: ${at.name} has no network any more: its interface was deleted\n`);
          if (held === undefined) finish(1);
        }
        return;
      }
      if (held !== undefined) held.process.kill('SIGHUP');
      else {
        process.stderr.write(`netyard: ${at.name} is gone\n`);
        finish(0);
      }
    }, LOOK_AGAIN_MS);
    const finish = (status: number): void => {
      clearInterval(timer);
      for (const forget of handlers) forget();
      resolve(status);
    };
    void held?.ended.then(finish);
  });
}
