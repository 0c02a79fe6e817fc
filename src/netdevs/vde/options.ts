/** Options of vde: where the switch is, which port, and who may use our socket (QEMU net/vde.c, libvdeplug). */
import type { Host } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import type { NetdevVdeOptions } from '../../schema/net.ts';
import { ANY_PORT } from './vde-protocol.ts';

const DEFAULT_MODE = 0o700;
/** Of the user, where libvdeplug 2 and 4 look for them. */
const USER_SWITCHES = ['.vde2/default.switch', '.vdeplug/default'];
const SYSTEM_SWITCHES = ['/var/run/vde.ctl', '/tmp/vde.ctl'];
const MAX_PORT = 0xffff;

export interface VdePlan {
  /** Directories of switches, the first that answers is it. */
  readonly directories: readonly string[];
  readonly port: number;
  readonly group: string | undefined;
  readonly mode: number;
}

/** @throws QapiError */
export function planVde(options: NetdevVdeOptions, host: Host): VdePlan {
  const { sock = '' } = options;
  return {
    directories: vdeDirectories(sock, host.identity?.home ?? ''),
    port: Number(options.port ?? splitSock(sock).port),
    group: options.group === '' ? undefined : options.group,
    mode: Number(options.mode ?? DEFAULT_MODE),
  };
}

/** Where a switch is looked for. @throws QapiError */
export function vdeDirectories(sock: string, home: string): readonly string[] {
  const { directory } = splitSock(sock);
  if (directory !== '') return [directory];
  return home === '' ? SYSTEM_SWITCHES : [...USER_SWITCHES.map((path) => `${home}/${path}`), ...SYSTEM_SWITCHES];
}

/** `DIRECTORY[PORT]`, `vde://DIRECTORY` and both, as libvdeplug takes them. */
function splitSock(sock: string): { readonly directory: string; readonly port: number } {
  const scheme = /^([a-z0-9]+):\/\//.exec(sock);
  if (scheme !== null && scheme[1] !== 'vde') {
    throw new QapiError(`Could not open vde: ${scheme[0]} is no switch: only those of vde_switch are supported`);
  }
  const rest = scheme === null ? sock : sock.slice(scheme[0].length);
  const bracket = /\[([0-9]*)\]$/.exec(rest);
  if (bracket === null) return { directory: rest, port: ANY_PORT };
  if (bracket[1] === '')
    throw new QapiError('Could not open vde: wires between two programs (sock=PATH[]) are not supported');
  const port = Number(bracket[1]);
  if (port > MAX_PORT) throw new QapiError(`Could not open vde: there is no port ${bracket[1]}`);
  return { directory: rest.slice(0, bracket.index), port };
}
