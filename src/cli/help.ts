import { OPTIONS } from './option-table.ts';

const SUBCOMMANDS: readonly (readonly [string, string])[] = [
  ['qmp [NAME|SOCKET] [COMMAND [KEY=VALUE]...]', 'send one QMP command, or open a shell with completion'],
  ['status [NAME]', 'ports, links, addresses, leases, counters and forwards of a running yard'],
  ['stop [NAME]', 'end a running yard'],
  ['doctor [TYPE]... [--build]', 'which netdevs this host can run, and what is missing for the others'],
  ['netns [PID|PATH|NAME] [-- COMMAND]', 'a user network for a network namespace; `netyard netns --help`'],
  ['schema check FILE [--dialect RELEASE]', 'check a QAPI schema; prints its introspection as JSON'],
  ['schema types FILE|qmp:SOCKET', 'print TypeScript types for a schema, or for a live QEMU'],
];

export function helpText(version: string): string {
  return [
    `netyard ${version}: QEMU's network layer as a system of its own`,
    '',
    'usage: netyard [OPTION]...          start a yard; without options, the default one',
    '       netyard COMMAND [ARGUMENT]...',
    '',
    'The default yard: a user network and a switch, a unix socket that any number of QEMU guests',
    'connect to, and a QMP socket. It prints how to attach a guest, and its own command line.',
    '',
    'options (-x and --x are the same):',
    ...OPTIONS.flatMap((option) => [
      ...row(`-${option.name}${option.argument === undefined ? '' : ` ${option.argument}`}`, option.help),
      ...(option.example === undefined ? [] : row('', `example: ${option.example}`)),
    ]),
    '',
    'rights: as root, a yard keeps only the capabilities that its command line needs (with a monitor: those over',
    'the network), and sets no_new_privs; all of them where a script or helper would run (of a tap: unless',
    'script=no,downscript=no).',
    '',
    'commands:',
    ...SUBCOMMANDS.flatMap(([usage, help]) => row(usage, help)),
    '',
    'examples:',
    '  netyard',
    '  netyard -name lab -netdev user,id=u0 -netdev listener,id=l0,addr.type=unix,addr.path=/tmp/lab.sock',
    '  netyard qmp query-net-clients',
    '  netyard qmp lab set_link name=l0.0 up=false',
    '',
  ].join('\n');
}

function row(left: string, right: string): string[] {
  const column = 30;
  if (left.length < column - 2) return [`  ${left.padEnd(column - 2)}${right}`];
  return [`  ${left}`, `${' '.repeat(column)}${right}`];
}
