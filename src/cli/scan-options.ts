/**
 * argv -> options in order (QEMU softmmu/vl.c lookup_opt): `-x` and `--x` are the same, an option's argument is the next
 * word whatever it looks like, order is kept.
 */
import { OPTIONS } from './option-table.ts';

export interface ScannedOption {
  readonly name: string;
  readonly argument: string | undefined;
}

/** What is wrong with the command line, without the program's name in front. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
}

const ALIASES: Readonly<Record<string, string>> = { h: 'help' };

/** QEMU's options about the machine, its devices, disks, screens and sounds (qemu-options.hx). */
const MACHINE_OPTIONS: ReadonlySet<string> = new Set(
  (
    'machine M cpu accel smp numa m mem-path mem-prealloc k audio audiodev device global boot uuid enable-kvm ' +
    'drive blockdev hda hdb hdc hdd fda fdb cdrom pflash sd mtdblock snapshot fsdev virtfs usb usbdevice ' +
    'display nographic curses spice vga g full-screen vnc win2k-hack no-acpi no-hpet acpitable smbios ' +
    'bt kernel append initrd dtb shim bios serial parallel iscsi tpmdev rtc icount watchdog watchdog-action ' +
    'no-reboot no-shutdown action S s gdb loadvm incoming only-migratable semihosting semihosting-config fw_cfg ' +
    'option-rom virtioconsole echr prom-env'
  ).split(' '),
);

/** @throws CommandLineError in QEMU's words. */
export function scanOptions(argv: readonly string[]): ScannedOption[] {
  const scanned: ScannedOption[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!;
    if (!word.startsWith('-') || word === '-') {
      throw new CommandLineError(`${word}: unexpected argument: options start with '-', see 'netyard --help'`);
    }
    const given = word.replace(/^--?/, '');
    const name = Object.hasOwn(ALIASES, given) ? ALIASES[given] : given;
    const row = OPTIONS.find((option) => option.name === name);
    if (row === undefined) {
      const advice = MACHINE_OPTIONS.has(given) ? ': leave it to QEMU, netyard has no machine' : '';
      throw new CommandLineError(`${word}: invalid option${advice}`);
    }
    if (row.argument === undefined) {
      scanned.push({ name: row.name, argument: undefined });
      continue;
    }
    index++;
    const argument = argv[index];
    if (argument === undefined) throw new CommandLineError(`${word}: requires an argument`);
    scanned.push({ name: row.name, argument });
  }
  return scanned;
}
