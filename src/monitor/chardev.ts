/**
 * What -qmp, -chardev and -mon say, as far as monitors need it (QEMU chardev/char.c, char-socket.c): texts to specs,
 * with QEMU's error texts. Nothing is opened here.
 */
import { parseBool, parseOptionList, QapiError } from '../qapi/index.ts';

/** A character device that a monitor can sit on. */
export type Chardev =
  | { readonly kind: 'stdio' }
  | {
      readonly kind: 'socket';
      readonly address: ChardevAddress;
      /** Listens; otherwise it connects. */
      readonly server: boolean;
      /** A server that holds up the start until its first client. */
      readonly wait: boolean;
      readonly noDelay: boolean;
      /** A client that connects again this long after it lost its peer. */
      readonly reconnectMs: number | undefined;
    };

/** A port is text, as it is in QEMU; 0 lets the system choose one. A descriptor was opened by whoever started us. */
export type ChardevAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: string; readonly family?: 4 | 6 | undefined }
  | { readonly fd: number };

/** What -chardev can make here. */
const BACKENDS = ['stdio', 'socket'];

export interface MonitorSpec {
  readonly device: Chardev;
  /** Replies over several lines. */
  readonly pretty: boolean;
}

/** Options of QEMU's chardevs that need what netyard does not have. */
const UNSUPPORTED = ['tls-creds', 'tls-authz', 'logfile', 'to'];
/** What netyard does not have either, and what is taken when it is switched off. */
const ONLY_OFF = ['telnet', 'tn3270', 'websocket', 'mux', 'abstract'];
/** Without what they refine, or on this kind of chardev, these change nothing whatever they say. */
const NO_MATTER = ['signal', 'logappend', 'tight'];
const MAX_DESCRIPTOR = 0x7fffffff;

/**
 * The argument of -qmp and -qmp-pretty: `unix:PATH[,...]`, `tcp:HOST:PORT[,...]` or `stdio`.
 * @throws QapiError
 */
export function parseQmpDevice(text: string): Chardev {
  if (text === 'stdio') return { kind: 'stdio' };
  const parseError = `parse error: ${text}`;
  if (text.startsWith('unix:')) return withHint(parseError, () => socketDevice(text.slice(5), 'path'));
  if (text.startsWith('tcp:')) {
    const match = /^(\[[^\]]*\]|[^:,]{0,64}):([^,]{1,32})(?:,(.*))?$/s.exec(text.slice(4));
    if (match === null) throw new QapiError(parseError);
    const host = (match[1] as string).replace(/^\[(.*)\]$/, '$1');
    return withHint(parseError, () => socketDevice(match[3] ?? '', undefined, { host, port: match[2] as string }));
  }
  throw new QapiError(`'${text}' is not a valid char driver`, { hint: parseError });
}

/** `-chardev help`: also as `backend=help`, whatever follows. */
export function asksForChardevHelp(argument: string): boolean {
  return /^(backend=)?(help|\?)(,|$)/.test(argument);
}

/** The lines that `-chardev help` prints. */
export function chardevHelp(): string[] {
  return ['Available chardev backend types: ', ...BACKENDS.map((backend) => `  ${backend}`)];
}

/**
 * The id in `-qmp chardev:ID`; undefined if the argument is a device.
 * @throws QapiError
 */
export function parseChardevReference(text: string): string | undefined {
  if (!text.startsWith('chardev:')) return undefined;
  const id = text.slice('chardev:'.length);
  parseOptionList(`id=${id.replaceAll(',', ',,')}`);
  return id;
}

/**
 * The argument of -chardev: `socket,id=ID,path=PATH|host=HOST,port=PORT|fd=N[,...]` or `stdio,id=ID`.
 * @throws QapiError
 */
export function parseChardev(text: string): { readonly id: string; readonly device: Chardev } {
  const { id, options } = parseOptionList(text, 'backend');
  const backend = options.findLast(([key]) => key === 'backend')?.[1];
  if (id === undefined) throw new QapiError('chardev: no id specified');
  if (backend === undefined) throw new QapiError(`chardev: "${id}" missing backend`);
  const others = options.filter(([key]) => key !== 'backend');
  if (backend === 'stdio') {
    for (const [key, value] of others) if (!SOCKET_OPTIONS.includes(key)) checkOther(key, value);
    return { id, device: { kind: 'stdio' } };
  }
  if (backend !== 'socket') throw new QapiError(`'${backend}' is not a valid char driver name`);
  return { id, device: socketFrom(others) };
}

/**
 * The argument of -mon: `[chardev=]ID,mode=control[,pretty=on|off]`.
 * @throws QapiError; mode=readline, QEMU's default, is refused with what to use instead
 */
export function parseMon(text: string): { readonly chardev: string; readonly pretty: boolean } {
  let chardev: string | undefined;
  let mode = 'readline';
  let pretty = false;
  for (const [key, value] of parseOptionList(text, 'chardev').options) {
    if (key === 'chardev') chardev = value;
    else if (key === 'mode') mode = value;
    else if (key === 'pretty') pretty = boolOption(key, value);
    else throw new QapiError(`Invalid parameter '${key}'`);
  }
  if (chardev === undefined) throw new QapiError("Parameter 'chardev' is missing");
  if (mode === 'readline') throw noReadline();
  if (mode !== 'control') throw new QapiError(`Parameter 'mode' does not accept value '${mode}'`);
  return { chardev, pretty };
}

/**
 * The argument of -monitor, the human monitor: only `none` is possible.
 * @throws QapiError
 */
export function parseHmpDevice(text: string): void {
  if (text !== 'none') throw noReadline();
}

/**
 * Joins -mon with its -chardev; a chardev serves one monitor.
 * @param taken ids that have a monitor; the new one is added
 * @throws QapiError
 */
export function monitorOn(
  mon: { readonly chardev: string; readonly pretty: boolean },
  chardevs: ReadonlyMap<string, Chardev>,
  taken: Set<string>,
): MonitorSpec {
  const device = chardevs.get(mon.chardev);
  if (device === undefined) throw new QapiError(`chardev "${mon.chardev}" not found`);
  if (taken.has(mon.chardev)) throw new QapiError(`Device '${mon.chardev}' is in use`);
  taken.add(mon.chardev);
  return { device, pretty: mon.pretty };
}

function noReadline(): QapiError {
  return new QapiError(
    "the interactive human monitor is not supported: use -qmp, and its command 'human-monitor-command' for its commands",
  );
}

/** `-qmp` prints a second line when its text is at fault. */
function withHint<T>(hint: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof QapiError && /^(Invalid parameter|Parameter) /.test(error.message)) {
      throw new QapiError(error.message, { hint, cause: error });
    }
    throw error;
  }
}

function socketDevice(text: string, implied: string | undefined, address?: ChardevAddress): Chardev {
  return socketFrom(parseOptionList(text, implied).options, address);
}

function socketFrom(options: readonly (readonly [string, string])[], given?: ChardevAddress): Chardev {
  const place: Record<string, string> = {};
  const families: Record<string, boolean> = {};
  let server = false;
  let wait: boolean | undefined;
  let noDelay = true;
  let reconnectMs: number | undefined;
  let reconnects = false;
  for (const [key, value] of options) {
    if (PLACE.includes(key)) place[key] = value;
    else if (FAMILIES.includes(key)) families[key] = boolOption(key, value);
    else if (key === 'server') server = boolOption(key, value);
    else if (key === 'wait') wait = boolOption(key, value);
    else if (key === 'nodelay') noDelay = boolOption(key, value);
    else if (key === 'delay') noDelay = !boolOption(key, value);
    else if (key === 'reconnect' || key === 'reconnect-ms') {
      reconnects = true;
      reconnectMs = milliseconds(key, value, key === 'reconnect' ? 1000 : 1);
    } else checkOther(key, value);
  }
  const address = given === undefined ? addressFrom(place, families) : inFamily(given, families);
  if ('fd' in address && reconnects) {
    throw new QapiError("'reconnect' option is incompatible with 'fd' address type");
  }
  if (server && reconnects) {
    throw new QapiError("'reconnect' option is incompatible with socket in server listen mode");
  }
  if (!server && wait !== undefined) {
    throw new QapiError("'wait' option is incompatible with socket in client connect mode");
  }
  return { kind: 'socket', address, server, wait: server && wait !== false, noDelay, reconnectMs };
}

const PLACE = ['path', 'host', 'port', 'fd'];
const FAMILIES = ['ipv4', 'ipv6'];
const SOCKET_OPTIONS = [...PLACE, ...FAMILIES, ...['server', 'wait', 'nodelay', 'delay', 'reconnect', 'reconnect-ms']];

/** An option that changes nothing. @throws QapiError for one that would. */
function checkOther(key: string, value: string): void {
  if (NO_MATTER.includes(key)) {
    boolOption(key, value);
    return;
  }
  if (ONLY_OFF.includes(key) && !boolOption(key, value)) return;
  if (UNSUPPORTED.includes(key) || ONLY_OFF.includes(key)) {
    throw new QapiError(`netyard's monitors have no option '${key}'`);
  }
  throw new QapiError(`Invalid parameter '${key}'`);
}

function addressFrom(place: Readonly<Record<string, string>>, families: Families): ChardevAddress {
  const { path, host, port, fd } = place;
  if ([path, host, fd].filter((value) => value !== undefined).length > 1) {
    throw new QapiError("None or one of 'path', 'fd' or 'host' option required.");
  }
  if (host !== undefined) {
    if (port === undefined) throw new QapiError('chardev: socket: no port given');
    return inFamily({ host, port }, families);
  }
  if (fd !== undefined) {
    if (!/^\d+$/.test(fd) || Number(fd) > MAX_DESCRIPTOR) throw new QapiError(`Unable to parse FD number ${fd}`);
    return { fd: Number(fd) };
  }
  if (path === undefined || path === '')
    throw new QapiError("chardev: socket: one of 'path', 'fd' or 'host' is needed");
  return { path };
}

type Families = { readonly ipv4?: boolean; readonly ipv6?: boolean };

/** What ipv4= and ipv6= leave of a name (QEMU util/qemu-sockets.c inet_ai_family_from_address). */
function inFamily(address: ChardevAddress, { ipv4, ipv6 }: Families): ChardevAddress {
  if (!('host' in address)) return address;
  if (ipv4 === false && ipv6 === false) throw new QapiError('Cannot disable IPv4 and IPv6 at same time');
  if (ipv4 === ipv6) return address;
  return { ...address, family: ipv6 === true || ipv4 === false ? 6 : 4 };
}

function boolOption(key: string, value: string): boolean {
  const parsed = parseBool(value);
  if (parsed === undefined) throw new QapiError(`Parameter '${key}' expects 'on' or 'off'`);
  return parsed;
}

/** 0 is off. Capped where timers end. */
function milliseconds(key: string, value: string, unit: number): number | undefined {
  if (!/^\d{1,10}$/.test(value)) throw new QapiError(`Parameter '${key}' expects a number`);
  const time = Math.min(Number(value) * unit, 2 ** 31 - 1);
  return time === 0 ? undefined : time;
}
