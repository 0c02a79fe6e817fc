/**
 * The differences to QEMU that are meant and that the cases show. docs/reference/compatibility.md has a row for each, with
 * the reason. The first one that matches explains a comparison.
 */
import type { Comparison } from './tally.ts';

export interface KnownDifference {
  /** As in docs/reference/compatibility.md. */
  readonly id: string;
  matches(comparison: Comparison): boolean;
}

const TRY_HELP = /^"(\w+: string expected\\r\\n)?Try \\"help \w+\\" for more information\\r\\n"$/;

/** By release: QEMU 7.2, which is compared with, is older than the reference, 9.1. */
const releases: readonly KnownDifference[] = [
  known('stream-reconnect', ({ qemu }) => qemu === "GenericError: Parameter 'reconnect' is unexpected"),
  known('stream-info-words', ({ area, qemu, ours }) => {
    const untold = (text: string): string =>
      text.replaceAll(/type=stream,(connection error|initializing|listening|connecting|error: .*?)?\\r\\n/g, 'stream');
    return area === 'history' && untold(qemu) === untold(ours);
  }),
  known('type-af-xdp', ({ qemu }) => qemu.endsWith("Parameter 'type' does not accept value 'af-xdp'")),
  known('ipv6-net-length', ({ qemu, ours }) =>
    sameBut(
      qemu,
      ours,
      "Parameter 'ipv6-prefixlen' expects a number",
      "parameter 'ipv6-net' expects a number after '/'",
    ),
  ),
  known('size-text', ({ area, input }) => area === 'command line' && /sndbuf=(\.5M|0x10k)/.test(input)),
  known('hostfwd-empty-port', ({ input, ours }) => /127\.0\.0\.1:-/.test(input) && ours.endsWith('(Bad host port)')),
  known('query-status-singlestep', ({ qemu, ours }) => sameBut(qemu, ours, '"singlestep":false,', '')),
  known('help-af-xdp', ({ input, qemu, ours }) => input === 'help netdev_add' && sameBut(ours, qemu, '|af-xdp', '')),
];

/** What QEMU has from 9.2 on, and what netyard adds. */
const additions: readonly KnownDifference[] = [
  known('stream-reconnect-ms', ({ qemu }) => qemu === "GenericError: Parameter 'reconnect-ms' is unexpected"),
  known('type-passt', ({ qemu }) => qemu.endsWith("Parameter 'type' does not accept value 'passt'")),
  known('type-listener', ({ qemu }) => qemu.endsWith("Parameter 'type' does not accept value 'listener'")),
];

/** What is not there, or not yet. */
const missing: readonly KnownDifference[] = [
  known(
    'driver-missing',
    ({ qemu, ours }) => /network backend '(vhost-user|vhost-vdpa)' is not/.test(ours) && !/not compiled/.test(qemu),
  ),
  known('netdev-types', ({ input, qemu }) => /help|\?/.test(input) && qemu.includes('Available netdev backend types:')),
  known('user-ipv6-only', ({ ours }) =>
    ours.includes("A network with IPv6 only ('ipv4' off) of netdev 'user' is not available in this version"),
  ),
  known('user-ipv6', ({ ours }) => /IPv6 \('ipv6.* of netdev 'user' is not available in this version/.test(ours)),
  known('driver-missing-reason', ({ qemu, ours }) => {
    const reason = /(is not compiled into this binary\n).*(not in this version|NIC is part of a guest).*\n/;
    return reason.test(ours) && ours.replace(reason, '$1') === qemu;
  }),
  known('user-tftp', ({ ours }) => ours.includes("Option 'tftp' of netdev 'user' is not available in this version")),
  known('user-smb', ({ ours }) => /Option 'smb(server)?' of netdev 'user' is not available in this version/.test(ours)),
  known('user-guestfwd', ({ ours }) =>
    ours.includes("Option 'guestfwd' of netdev 'user' is not available in this version"),
  ),
  known('machine-commands', ({ area, input, qemu }) => {
    if (area === 'monitor line') return input === 'info';
    return (
      area === 'other requests' &&
      /query-(commands|qmp-schema|block)"|"command-line":"x"/.test(input) &&
      !qemu.includes('Error')
    );
  }),
  known('machine-options', ({ ours }) =>
    /^exit 1\nPROGRAM: (-m: invalid option: leave it to QEMU, .*|-monitor: invalid option)\n$/.test(ours),
  ),
  known('nic-options', ({ ours }) => /^exit 1\nPROGRAM: -(nic|net) user: only 'none' is possible/.test(ours)),
];

/** Done differently on purpose. */
const choices: readonly KnownDifference[] = [
  known('version-reply', ({ input }) => input === '{"execute":"query-version"}'),
  known('json-number-range', ({ qemu, ours }) => {
    const theirs = qemu.split('\n');
    const mine = ours.split('\n');
    return (
      mine.length === theirs.length &&
      mine.every((line, at) => line === theirs[at] || /JSON parse error, number '.*' is out of range$/.test(line))
    );
  }),
  known(
    'stream-descriptor-errors',
    ({ qemu, input, ours }) =>
      qemu === '{}' &&
      input.includes('"type":"fd"') &&
      /^GenericError: File descriptor (named 'nope' has not been found|'999' is not a socket)$/.test(ours),
  ),
  known('mptcp', ({ qemu, ours }) => qemu === '{}' && ours.includes('addr.mptcp=on is not supported')),
  known('port-texts', ({ qemu, ours }) => qemu === '{}' && /^GenericError: port number '.*' is invalid$/.test(ours)),
  known(
    'ipv6-prefixlen-cut',
    ({ input, ours }) => input.includes('"ipv6-prefixlen":4294967296') && ours.includes('Invalid IPv6 prefix provided'),
  ),
  known('hub-loops', ({ ours }) => ours.startsWith("GenericError: netdev 'a' is connected to hub 0 already")),
  known(
    'dgram-info',
    ({ qemu, ours }) =>
      qemu.includes('udp=127.0.0.1:0/127.0.0.1:9') && /udp=127\.0\.0\.1:[1-9]\d*\/127\.0\.0\.2:9/.test(ours),
  ),
  known(
    'hub-without-nics',
    ({ qemu, ours }) => qemu.replaceAll(/^PROGRAM: warning: hub \d+ with no nics\n/gm, '') === ours,
  ),
  known('forward-reason', ({ qemu, ours }) => {
    // Monitor lines are shown as JSON strings.
    const reason = /(Could not set up host forwarding rule '.*?'\\r\\n).+?\\r\\n/;
    return reason.test(ours) && ours.replace(reason, '$1') === qemu;
  }),
  known(
    'chardev-without-address',
    ({ input, ours }) => input === '-chardev socket,id=c' && ours.includes("one of 'path', 'fd' or 'host' is needed"),
  ),
  known('monitor-errors', ({ area, qemu, ours }) => {
    if (area !== 'monitor line' && area !== 'option text') return false;
    const isWarning = qemu === '""' && ours.startsWith('"warning: short-form');
    return isWarning || (TRY_HELP.test(qemu) && (/^"Error: /.test(ours) || ours.endsWith(qemu.slice(1))));
  }),
  known(
    'domain-warnings',
    ({ input, qemu, ours }) =>
      input.includes('dnssearch=a..b') && qemu.includes("Slirp: failed to parse domain name 'a..b'") && ours === '""',
  ),
  known('info-usernet', ({ input, qemu, ours }) => {
    // Descriptors, and ports that the kernel chose.
    const shape = (text: string): string => text.replaceAll(/(HOST_FORWARD\]) +\S+( +\S+) +\d+/g, '$1$2');
    return input === 'info usernet' && shape(qemu) === shape(ours);
  }),
  known(
    'monitor-repeated-keys',
    ({ input, ours }) => input.includes('hostfwd=bad,hostfwd=tcp::0') && ours.includes("rule 'bad'"),
  ),
];

export const knownDifferences: readonly KnownDifference[] = [...releases, ...additions, ...missing, ...choices];

function known(id: string, matches: KnownDifference['matches']): KnownDifference {
  return { id, matches };
}

/** Whether the texts are the same once `from` in the first has become `to`. */
function sameBut(text: string, other: string, from: string, to: string): boolean {
  return text.includes(from) && text.replace(from, to) === other;
}
