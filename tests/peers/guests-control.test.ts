/** The control: the guest image of guests.test.ts, unchanged, on QEMU's own user network. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchFile, ping, resolveName, sendFile, serveWeb, takeLease } from '../kit/guest/chores.ts';
import { bootGuest, type Guest } from '../kit/guest/guest.ts';
import { describeGuests } from '../kit/guest/require.ts';
import {
  type FileService,
  type NameService,
  serveFile,
  serveNames,
  serveUploads,
  type UploadService,
  withResolver,
} from '../kit/guest/services.ts';

const FILE_BYTES = 100_000_000;

describeGuests('a guest on QEMU user networking (control)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'netyard-control-'));
  let file: FileService;
  let uploads: UploadService;
  let names: NameService;
  let guest: Guest;
  let webPort = 0;

  beforeAll(async () => {
    file = await serveFile(FILE_BYTES);
    uploads = await serveUploads();
    names = await serveNames('127.0.0.77', { 'control.netyard.test': '192.0.2.7' });
    webPort = await freePort();
    guest = await bootGuest({
      netdev: `user,id=n0,hostfwd=tcp:127.0.0.1:${webPort}-:80`,
      prefix: withResolver(join(folder, 'resolv.conf'), names.address),
      memoryMb: 384,
    });
  });

  afterAll(async () => {
    await guest?.kill();
    await Promise.all([file?.close(), uploads?.close(), names?.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  test('takes the first lease', async () => expect(await takeLease(guest)).toBe('10.0.2.15'));
  test('pings the host', () => ping(guest, '10.0.2.2'));
  test('fetches 100 MB from the host', () => fetchFile(guest, file));
  test('sends 100 MB to the host', () => sendFile(guest, uploads, file));
  test('resolves a name', () => resolveName(guest, 'control.netyard.test', '192.0.2.7'));
  test('is reached through a forward', async () => {
    await serveWeb(guest, 'page of the control');
    expect(await (await fetch(`http://127.0.0.1:${webPort}/`)).text()).toBe('page of the control\n');
  });
});

/** QEMU does not report the port it chose for 0, so one that is free now must do. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : -1;
}
