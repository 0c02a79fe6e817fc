/**
 * From options to what a yard runs. The default yard is nothing but options: `defaultOptions` lists them, and a command
 * line without netdevs or monitors gets the missing half.
 */
import { join } from 'node:path';
import { parseBool, parseOptionList } from '../qapi/index.ts';
import { checkName, DEFAULT_NAME, GUEST_SOCKET, QMP_SOCKET, runtimeDirectory } from './runtime-directory.ts';
import { CommandLineError, type ScannedOption } from './scan-options.ts';

export interface Plan {
  /** undefined with -nodefaults and no -name: no runtime directory, no claim. */
  readonly name: string | undefined;
  readonly useSwitch: boolean;
  /** Public options that give this yard, in order. */
  readonly options: readonly ScannedOption[];
  /** The guests' socket of the default network, if this plan has it. */
  readonly guestSocket: string | undefined;
}

const NETWORK_OPTIONS = ['netdev', 'nic', 'net'];
const MONITOR_OPTIONS = ['qmp', 'qmp-pretty', 'mon'];

/** @throws CommandLineError */
export function makePlan(scanned: readonly ScannedOption[]): Plan {
  const nodefaults = scanned.some((option) => option.name === 'nodefaults');
  const given = scanned.filter((option) => option.name === 'name').map((option) => guestName(option.argument!));
  const name = given.findLast((found) => found !== undefined) ?? (nodefaults ? undefined : DEFAULT_NAME);
  if (name !== undefined) checkName(name);
  for (const option of scanned) checkNone(option);

  const has = (names: string[]): boolean => scanned.some((option) => names.includes(option.name));
  const options = scanned.filter((option) => option.name !== 'name');
  if (name !== undefined) options.unshift({ name: 'name', argument: name });
  let guestSocket: string | undefined;
  if (!nodefaults && name !== undefined) {
    const directory = runtimeDirectory(name);
    if (!has(NETWORK_OPTIONS)) {
      guestSocket = join(directory, GUEST_SOCKET);
      options.push({ name: 'netdev', argument: 'user,id=user' }, { name: 'netdev', argument: listenerAt(guestSocket) });
    }
    if (!has(MONITOR_OPTIONS)) {
      options.push({ name: 'qmp', argument: `unix:${doubleCommas(join(directory, QMP_SOCKET))},server=on,wait=off` });
    }
  }
  return { name, useSwitch: !nodefaults, options, guestSocket };
}

export function argumentsOf(plan: Plan, name: string): string[] {
  return plan.options.filter((option) => option.name === name).map((option) => option.argument!);
}

/** The option that lets guests join a yard that has no door. */
export function doorOption(name: string | undefined): string {
  const socket = name === undefined ? '/tmp/guests.sock' : join(runtimeDirectory(name), GUEST_SOCKET);
  return `-netdev ${shellQuote(listenerAt(socket))}`;
}

/** The command line that gives this plan, quoted for a shell. */
export function commandLine(plan: Plan): string {
  const words = plan.options.flatMap((option) => [
    `-${option.name}`,
    ...(option.argument === undefined ? [] : [option.argument]),
  ]);
  return ['netyard', ...words.map(shellQuote)].join(' ');
}

/** -name as QEMU has it: `[guest=]NAME[,debug-threads=on|off]`. What names threads for a debugger changes nothing here. */
function guestName(argument: string): string | undefined {
  let name = argument === '' ? '' : undefined;
  for (const [key, value] of parseOptionList(argument, 'guest', true).options) {
    if (key === 'guest') name = value;
    else if (key === 'debug-threads') {
      if (parseBool(value) === undefined) {
        throw new CommandLineError(`-name ${argument}: Parameter 'debug-threads' expects 'on' or 'off'`);
      }
    } else throw new CommandLineError(`-name ${argument}: Invalid parameter '${key}'`);
  }
  return name;
}

function checkNone(option: ScannedOption): void {
  if ((option.name === 'nic' || option.name === 'net') && option.argument !== 'none') {
    throw new CommandLineError(
      `-${option.name} ${option.argument}: only 'none' is possible, a yard has no machine to put a NIC in: use -netdev`,
    );
  }
}

const listenerAt = (path: string): string => `listener,id=guests,addr.type=unix,addr.path=${doubleCommas(path)}`;

const doubleCommas = (path: string): string => path.replaceAll(',', ',,');

function shellQuote(word: string): string {
  return /^[A-Za-z0-9_./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
