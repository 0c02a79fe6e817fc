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

/** A port is text, as it is in QEMU; 0 lets the system choose one. */
export type ChardevAddress = { readonly path: string } | { readonly host: string; readonly port: string };

export interface MonitorSpec {
  readonly device: Chardev;
  /** Replies over several lines. */
  readonly pretty: boolean;
}

/** Members of QEMU's socket chardev that need what netyard does not have. */
const UNSUPPORTED = [
  ...['fd', 'tls-creds', 'tls-authz', 'telnet', 'tn3270', 'websocket', 'mux', 'signal', 'logfile', 'logappend'],
  ...['abstract', 'tight', 'to', 'ipv4', 'ipv6'],
];

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

/**
 * The argument of -chardev: `socket,id=ID,path=PATH|host=HOST,port=PORT[,...]` or `stdio,id=ID`.
 * @throws QapiError
 */
export function parseChardev(text: string): { readonly id: string; readonly device: Chardev } {
  const { id, options } = parseOptionList(text, 'backend');
  const backend = options.findLast(([key]) => key === 'backend')?.[1];
  if (id === undefined) throw new QapiError('chardev: no id specified');
  if (backend === undefined) throw new QapiError(`chardev: "${id}" missing backend`);
  if (backend === 'stdio') return { id, device: { kind: 'stdio' } };
  if (backend !== 'socket') throw new QapiError(`'${backend}' is not a valid char driver name`);
  return { id, device: socketFrom(options.filter(([key]) => key !== 'backend')) };
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
  let path: string | undefined;
  let host: string | undefined;
  let port: string | undefined;
  let server = false;
  let wait: boolean | undefined;
  let noDelay = true;
  let reconnectMs: number | undefined;
  for (const [key, value] of options) {
    if (key === 'path') path = value;
    else if (key === 'host') host = value;
    else if (key === 'port') port = value;
    else if (key === 'server') server = boolOption(key, value);
    else if (key === 'wait') wait = boolOption(key, value);
    else if (key === 'nodelay') noDelay = boolOption(key, value);
    else if (key === 'delay') noDelay = !boolOption(key, value);
    else if (key === 'reconnect') reconnectMs = milliseconds(key, value, 1000);
    else if (key === 'reconnect-ms') reconnectMs = milliseconds(key, value, 1);
    else if (UNSUPPORTED.includes(key)) throw new QapiError(`netyard's monitors have no option '${key}'`);
    else throw new QapiError(`Invalid parameter '${key}'`);
  }
  const address = given ?? addressFrom(path, host, port);
  if (server && reconnectMs !== undefined) {
    throw new QapiError("'reconnect' option is incompatible with socket in server listen mode");
  }
  if (!server && wait !== undefined) {
    throw new QapiError("'wait' option is incompatible with socket in client connect mode");
  }
  return { kind: 'socket', address, server, wait: server && wait !== false, noDelay, reconnectMs };
}

function addressFrom(path: string | undefined, host: string | undefined, port: string | undefined): ChardevAddress {
  if (path !== undefined && host !== undefined) {
    throw new QapiError("None or one of 'path', 'fd' or 'host' option required.");
  }
  if (host !== undefined) {
    if (port === undefined) throw new QapiError('chardev: socket: no port given');
    return { host, port };
  }
  if (path === undefined || path === '') throw new QapiError("chardev: socket: one of 'path' or 'host' is needed");
  return { path };
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
