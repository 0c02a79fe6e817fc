/**
 * The test guest's kernel and initramfs: Debian's cloud kernel, its virtio modules and a static busybox. The archive is
 * cached under the system's temporary directory by the hash of its content.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { type CpioEntry, characterDevice, directory, regularFile, writeCpio } from './cpio.ts';

/** Load order matters: each module needs symbols of those before it. */
const MODULES = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'net/core/failover.ko',
  'drivers/net/net_failover.ko',
  'drivers/net/virtio_net.ko',
];

export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
}

/** Debian package that brings each thing the image is made of; used to name what is missing. */
export function missingGuestParts(): string[] {
  const missing: string[] = [];
  if (findKernel() === undefined) missing.push('linux-image-cloud-amd64');
  if (!existsSync(BUSYBOX)) missing.push('busybox-static');
  if (!existsSync('/usr/bin/qemu-system-x86_64')) missing.push('qemu-system-x86');
  return missing;
}

/** Builds the image, or returns the cached one. Throws an error naming the package that is missing. */
export function guestImage(): GuestImage {
  const kernel = findKernel();
  if (kernel === undefined) throw new Error('no cloud kernel: install linux-image-cloud-amd64');
  const modules = MODULES.map((path) => readFileSync(join('/lib/modules', kernel.version, 'kernel', path)));
  const here = (name: string): Uint8Array => readFileSync(new URL(name, import.meta.url));
  const entries: CpioEntry[] = [
    ...['bin', 'dev', 'modules', 'tmp', 'etc', 'etc/udhcpc'].map(directory),
    // The kernel opens /dev/console before init can mount devtmpfs.
    characterDevice('dev/console', 5, 1),
    characterDevice('dev/null', 1, 3),
    regularFile('bin/busybox', readFileSync(BUSYBOX), 0o755),
    regularFile('init', here('init.sh'), 0o755),
    regularFile('serve', here('serve.sh'), 0o755),
    regularFile('etc/udhcpc/default.script', here('udhcpc.sh'), 0o755),
    regularFile('modules/order', Buffer.from(`${MODULES.map((path) => basename(path)).join('\n')}\n`)),
    ...MODULES.map((path, index) => regularFile(`modules/${basename(path)}`, modules[index]!)),
  ];
  const archive = writeCpio(entries);
  const folder = join(tmpdir(), 'netyard-guest');
  mkdirSync(folder, { recursive: true });
  const initrd = join(folder, `initrd-${createHash('sha256').update(archive).digest('hex').slice(0, 16)}.cpio`);
  if (!existsSync(initrd)) {
    // Renamed into place, so that two test runs at once never see half an archive.
    const part = `${initrd}.${process.pid}`;
    writeFileSync(part, archive);
    renameSync(part, initrd);
  }
  return { kernel: kernel.path, initrd };
}

const BUSYBOX = '/bin/busybox';

function findKernel(): { path: string; version: string } | undefined {
  if (!existsSync('/boot')) return undefined;
  const found = readdirSync('/boot')
    .filter((name) => /^vmlinuz-.*-cloud-amd64$/.test(name))
    .map((name) => ({ path: join('/boot', name), version: name.slice('vmlinuz-'.length) }))
    .filter(({ version }) => existsSync(join('/lib/modules', version, 'kernel')))
    .sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
  return found.at(-1);
}
