/** QEMU's options that netyard takes: one table feeds the scanner, `--help` and the documentation. */

export interface OptionRow {
  readonly name: string;
  /** Placeholder of its argument; absent = a flag. */
  readonly argument?: string;
  readonly help: string;
  readonly example?: string;
}

export const OPTIONS: readonly OptionRow[] = [
  {
    name: 'netdev',
    argument: 'TYPE,id=ID[,KEY=VALUE]...',
    help: 'add a netdev: traditional, dotted-key or JSON syntax; `-netdev help` lists the types',
    example: '-netdev user,id=u0,hostfwd=tcp:127.0.0.1:2222-:22',
  },
  { name: 'nic', argument: 'none', help: 'no default network (only `none`: a yard has no machine to put a NIC in)' },
  { name: 'net', argument: 'none', help: 'no default network (only `none`)' },
  { name: 'nodefaults', help: 'no default network, no default monitor, no switch: every wire is said' },
  {
    name: 'name',
    argument: '[guest=]NAME',
    help: 'name of the yard and of its runtime directory (default: default)',
    example: '-name lab',
  },
  {
    name: 'qmp',
    argument: 'DEV',
    help: 'a QMP monitor: unix:PATH,server=on,wait=off, tcp:HOST:PORT,server=on,wait=off, stdio or chardev:ID',
    example: '-qmp unix:/tmp/qmp.sock,server=on,wait=off',
  },
  { name: 'qmp-pretty', argument: 'DEV', help: 'the same with indented replies' },
  {
    name: 'chardev',
    argument: 'socket,id=ID,...',
    help: 'a character device for -mon and -qmp: path=PATH, host=HOST,port=PORT or fd=N; `-chardev help` lists the types',
    example: '-chardev socket,id=m,fd=3,server=on,wait=off -mon m,mode=control',
  },
  { name: 'mon', argument: '[chardev=]ID,mode=control', help: 'a QMP monitor on a chardev' },
  { name: 'version', help: 'print the version' },
  { name: 'help', help: 'print this help; also -h' },
];
