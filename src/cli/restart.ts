/**
 * A yard that has capabilities (root, most often) starts anew, before anything is open, with those left that its command
 * line needs, and with no_new_privs. Rights belong to threads, and Node has several of them before the first line of ours
 * runs; a new program has less in all. Under no_new_privs setuid programs get no rights, qemu-bridge-helper for one. So
 * where the command line names a program, nothing is given up, and without capabilities a yard that has a monitor stays as
 * it is: a bridge may be asked for there.
 *
 * This comes before the standard streams are opened: Node makes pipes non-blocking, for all who share them, and opens
 * terminals once more. And before signals are caught, which the new program would not know of.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { loadNative, type NativeBinding, packageRoot } from '../node/index.ts';
import { parseNetdevArgument, Schema } from '../qapi/index.ts';
import { parseJsonText } from '../qmp/index.ts';
import { NETYARD_TABLE } from '../schema/net.ts';
import { type MonitorRequest, monitorDescriptors, readMonitors } from './monitor-requests.ts';
import { asksForHelp, descriptorsIn } from './netdev-arguments.ts';
import { argumentsOf, makePlan } from './plan.ts';
import { keptCapabilities } from './privileges.ts';
import { runtimeDirectory } from './runtime-directory.ts';
import { scanOptions } from './scan-options.ts';
import { stateDirectory } from './state-directory.ts';
import { vdeSwitches } from './vde-switches.ts';

/** Set for the program that was started anew, so that it is not again. */
const MARK = 'NETYARD_RESTARTED';

/** Why the program is not started anew, though it has rights to give up. */
export interface Hindrance {
  readonly reason: string;
  /** Some rights are gone, of one thread at least: the program cannot go on. */
  readonly isFatal: boolean;
}

/**
 * Starts this program anew with fewer rights, if it has some to give up.
 * @param argv options of a yard. With mistakes in them nothing is done: they are told later.
 */
export async function giveUpRights(argv: readonly string[]): Promise<Hindrance | undefined> {
  const isRestarted = process.env[MARK] !== undefined;
  delete process.env[MARK];
  const rights = process.platform === 'linux' && !isRestarted ? ownRights() : undefined;
  const request = rights === undefined ? undefined : await readRequest(argv);
  if (rights === undefined || request === undefined) return undefined;
  const { netdevs, monitors, paths } = request;
  // Nothing to give up, and a monitor may ask for a helper.
  if (rights.capabilities === 0n && monitors.length > 0) return undefined;
  const loaded = loadNative();
  const addon = 'binding' in loaded ? [loaded.path] : [];
  const program = [process.execPath, ...process.argv.slice(1, 2), packageRoot(), ...addon];
  const kept = keptCapabilities({ netdevs, monitors, paths, program }, rights.capabilities);
  if (kept === undefined) return undefined;
  const isTooMuch = (rights.capabilities & ~BigInt(kept)) !== 0n;
  if (!isTooMuch && rights.noNewPrivs) return undefined;
  const reason = 'binding' in loaded ? startAnew(loaded.binding, kept, request) : loaded.reason;
  const isFatal = !isSame(rights, ownRights());
  return isTooMuch || isFatal ? { reason, isFatal } : undefined;
}

/** Returns, with a reason, on failure only. */
function startAnew({ calls, restart, errnoName }: NativeBinding, kept: number, request: Request): string {
  if (process.channel !== undefined) return 'its parent talks to it over a channel of Node, which would end';
  // Node keeps what it inherits from programs that it starts.
  const inherited = inheritedDescriptors([
    ...request.netdevs.flatMap(descriptorsIn),
    ...monitorDescriptors(request.monitors),
  ]);
  for (const descriptor of inherited) calls.fcntlSetCloexec(descriptor, 0);
  process.env[MARK] = '1';
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const result = restart(kept, process.execPath, words);
  delete process.env[MARK];
  for (const descriptor of inherited) calls.fcntlSetCloexec(descriptor, 1);
  return `${process.execPath}: ${errnoName(-result)}`;
}

interface Request {
  readonly netdevs: readonly object[];
  readonly monitors: readonly MonitorRequest[];
  readonly paths: readonly string[];
}

/** undefined: no yard will start. */
async function readRequest(argv: readonly string[]): Promise<Request | undefined> {
  try {
    const scanned = scanOptions(argv);
    if (scanned.some(({ name }) => name === 'version' || name === 'help')) return undefined;
    const plan = makePlan(scanned);
    const texts = argumentsOf(plan, 'netdev');
    if (texts.some(asksForHelp)) return undefined;
    const schema = new Schema(NETYARD_TABLE);
    const netdevs = texts.map((text) => parseNetdevArgument(schema, text, parseJsonText).value);
    const monitors = await readMonitors(plan.options);
    const folders = [plan.name === undefined ? undefined : runtimeDirectory(plan.name), stateDirectory(plan, scanned)];
    const paths = [...folders.filter((folder) => folder !== undefined), ...(await vdeSwitches(netdevs))];
    return { netdevs, monitors, paths };
  } catch {
    return undefined;
  }
}

/**
 * Those this program was started with: a monitor may name them later, in netdev_add. Node's own are the event loops, and
 * pipes that have both ends here.
 */
function inheritedDescriptors(named: readonly number[]): number[] {
  const links = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      links.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The one that the folder was read with.
    }
  }
  const ends = [...links.values()];
  const isNodes = (link: string): boolean =>
    link.startsWith('anon_inode:') || (link.startsWith('pipe:') && ends.indexOf(link) !== ends.lastIndexOf(link));
  const others = [...links].filter(([, link]) => !isNodes(link)).map(([number]) => number);
  return [...new Set([0, 1, 2, ...named, ...others])];
}

interface Rights {
  readonly capabilities: bigint;
  readonly noNewPrivs: boolean;
}

function ownRights(): Rights | undefined {
  const text = readFileSync('/proc/self/status', 'utf8');
  const capabilities = /^CapPrm:\s*([0-9a-f]+)$/m.exec(text)?.[1];
  if (capabilities === undefined) return undefined;
  return { capabilities: BigInt(`0x${capabilities}`), noNewPrivs: /^NoNewPrivs:\s*1$/m.test(text) };
}

const isSame = (one: Rights, other: Rights | undefined): boolean =>
  one.capabilities === other?.capabilities && one.noNewPrivs === other.noNewPrivs;
