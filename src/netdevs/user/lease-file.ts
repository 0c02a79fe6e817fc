/**
 * Leases that outlive the yard: after a restart every guest keeps its address, and forwards lead where they led.
 *
 * Read once at the start, written in one step WRITE_DELAY_MS after a change and at the end, never while frames wait for
 * it. The file is somebody else's input: what is not exactly ours is refused, said in the log, and never overwritten.
 *
 *     netyard leases 1 10.0.2.0/255.255.255.0
 *     10.0.2.15 52:54:00:12:34:56 1700000000 - box
 *
 * A line for each lease: address, Ethernet address, its end in seconds since the epoch, the client identifier in hexadecimal
 * or `-`, and the guest's name, which may be empty.
 */
import type { Host, Log, Timer } from '../../net/host.ts';
import { HostError } from '../../net/host.ts';
import { QapiError } from '../../qapi/error.ts';
import { type KeptLease, type LeaseTable, MAX_POOL } from '../../slirp/index.ts';
import { formatIpv4, formatMac, inetAton, isMulticastMac, parseMac } from '../../wire/index.ts';
import type { LeasePlace } from './lease-place.ts';

const FIRST_WORDS = 'netyard leases 1 ';
export const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Changes come in bursts: one write for all of them. */
export const WRITE_DELAY_MS = 500;
const LINE = /^(\S{7,15}) (\S{17}) (\d{1,12}) (-|(?:[0-9a-f]{2}){2,255}) ([ -~]{0,255})$/;

export class LeaseFile {
  readonly #place: LeasePlace;
  readonly #host: Host;
  readonly #log: Log;
  readonly #timer: Timer;
  #leases: LeaseTable | undefined;
  #isDirty = false;
  #writing: Promise<void> | undefined;
  #said = '';

  constructor(place: LeasePlace, host: Host, log: Log) {
    this.#place = place;
    this.#host = host;
    this.#log = log;
    this.#timer = host.timers.create(() => void this.#write());
  }

  /**
   * Gives the leases of the file to the table, and keeps what that lends from now on.
   * @throws QapiError if an option asked for a file that cannot be read.
   */
  async follow(leases: LeaseTable): Promise<void> {
    const { path } = this.#place;
    const bytes = await this.#read();
    if (bytes === undefined) return;
    if (bytes.length > 0) {
      const found = parseLeases(bytes, this.#place.network, this.#host.clock.wallMicros());
      if (typeof found === 'string') {
        this.#log.warn(`${path} is not read, and left as it is: ${found}`);
        return;
      }
      leases.restore(found, this.#host.clock.now());
    }
    this.#leases = leases;
    leases.onChange = () => this.#changed();
  }

  /** Resolves when the last change is written. */
  async close(): Promise<void> {
    this.#timer.cancel();
    await this.#writing;
    if (this.#isDirty) await this.#write();
    this.#timer.cancel();
    this.#leases = undefined;
  }

  /** undefined = do not follow. */
  async #read(): Promise<Uint8Array | undefined> {
    const { path, isAsked } = this.#place;
    try {
      return await this.#host.files.read(path, MAX_FILE_BYTES);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (error.code === 'ENOENT') return new Uint8Array(0);
      const text = `Could not read leases file '${path}': ${error.message}`;
      if (isAsked) throw new QapiError(text, { cause: error });
      this.#log.warn(`${text}: leases end with this yard`);
      return undefined;
    }
  }

  #changed(): void {
    this.#isDirty = true;
    if (this.#writing === undefined && this.#timer.deadlineMs === undefined) {
      this.#timer.set(this.#host.clock.now() + WRITE_DELAY_MS);
    }
  }

  async #write(): Promise<void> {
    if (this.#leases === undefined || this.#writing !== undefined) return;
    const { clock, files } = this.#host;
    this.#isDirty = false;
    let failed = false;
    const text = formatLeases(this.#leases.kept(clock.now()), this.#place.network, clock.wallMicros());
    this.#writing = files.write(this.#place.path, new TextEncoder().encode(text)).then(
      () => {
        this.#said = '';
      },
      (error: unknown) => {
        failed = true;
        this.#sayFailed(error instanceof HostError ? error.message : String(error));
      },
    );
    await this.#writing;
    this.#writing = undefined;
    if (this.#isDirty) this.#changed();
    // Tried again with the next change, and at the end.
    this.#isDirty ||= failed;
  }

  /** Each reason once. */
  #sayFailed(reason: string): void {
    if (reason === this.#said) return;
    this.#said = reason;
    this.#log.warn(`Could not write leases file '${this.#place.path}': ${reason}`);
  }
}

export function formatLeases(leases: readonly KeptLease[], network: string, wallMicros: number): string {
  const lines = leases.map(({ address, mac, id, hostname, leftMs }) => {
    const ends = Math.max(0, Math.round(wallMicros / 1e6 + leftMs / 1000));
    return `${formatIpv4(address)} ${formatMac(mac)} ${ends} ${id === '' ? '-' : id} ${hostname}\n`;
  });
  return `${FIRST_WORDS}${network}\n${lines.join('')}`;
}

/** The leases that have not ended, or what is wrong with the file. */
export function parseLeases(bytes: Uint8Array, network: string, wallMicros: number): KeptLease[] | string {
  const text = new TextDecoder('latin1').decode(bytes);
  let at = text.indexOf('\n') + 1;
  if (!text.startsWith(FIRST_WORDS) || at === 0) return 'it is no file of leases';
  if (text.slice(FIRST_WORDS.length, at - 1) !== network) return `its leases are not of the network ${network}`;
  const found: KeptLease[] = [];
  const addresses = new Set<number>();
  const clients = new Set<string>();
  for (let line = 2; at < text.length; line++) {
    const end = text.indexOf('\n', at);
    const lease = end < 0 ? undefined : parseLease(text.slice(at, end), wallMicros / 1e6);
    if (lease === undefined) return `line ${line} is no lease`;
    const client = `${lease.mac}/${lease.id}`;
    if (addresses.has(lease.address) || clients.has(client)) return `line ${line} repeats a lease`;
    if (addresses.size >= MAX_POOL) return `there are more than ${MAX_POOL} leases`;
    addresses.add(lease.address);
    clients.add(client);
    if (lease.leftMs > 0) found.push(lease);
    at = end + 1;
  }
  return found;
}

function parseLease(line: string, nowSeconds: number): KeptLease | undefined {
  const [, address = '', mac = '', ends = '', id = '', hostname = ''] = LINE.exec(line) ?? [];
  const ip = inetAton(address);
  const ethernet = parseMac(mac);
  if (ip === undefined || formatIpv4(ip) !== address) return undefined;
  if (ethernet === undefined || ethernet === 0 || isMulticastMac(ethernet)) return undefined;
  return { address: ip, mac: ethernet, id: id === '-' ? '' : id, hostname, leftMs: (Number(ends) - nowSeconds) * 1000 };
}
