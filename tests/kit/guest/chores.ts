/** What every guest does on every network, with the checks in it. */
import { expect } from 'vitest';
import type { Guest } from './guest.ts';
import type { FileService, UploadService } from './services.ts';

/** Takes a lease and configures eth0 with it; resolves to the address. */
export async function takeLease(guest: Guest): Promise<string> {
  const output = await guest.check('udhcpc -i eth0 -n -q -f -t 8 -T 1', { timeoutMs: 30_000 });
  const lease = /^lease (\S+) mask 24 router (\S+) dns (\S+) server (\S+)/m.exec(output);
  expect(lease?.slice(2), output).toEqual(['10.0.2.2', '10.0.2.3', '10.0.2.2']);
  return lease?.[1] ?? '';
}

/** Pings and expects every answer. */
export async function ping(guest: Guest, address: string, count = 3): Promise<void> {
  const output = await guest.check(`ping -c ${count} -i 0.2 -W 5 ${address}`, { timeoutMs: 30_000 });
  expect(output).toContain(`${count} packets transmitted, ${count} packets received, 0% packet loss`);
}

/** Fetches the whole file from the host's loopback into /tmp/file and compares the hash. */
export async function fetchFile(guest: Guest, file: FileService): Promise<void> {
  await guest.check(`wget -q -O /tmp/file http://10.0.2.2:${file.port}/`, { timeoutMs: 90_000 });
  const hash = await guest.check('sha256sum </tmp/file', { timeoutMs: 30_000 });
  expect(hash.split(' ')[0]).toBe(file.sha256);
}

/** Sends /tmp/file to the host's loopback and compares the hash. */
export async function sendFile(guest: Guest, uploads: UploadService, file: FileService): Promise<void> {
  const received = uploads.next();
  await guest.check(`nc 10.0.2.2 ${uploads.port} -e cat /tmp/file`, { timeoutMs: 90_000 });
  expect(await received).toEqual({ bytes: file.bytes, sha256: file.sha256 });
}

/** Starts the guest's own web server with a page that says `text`. */
export async function serveWeb(guest: Guest, text: string): Promise<void> {
  await guest.check(`echo "${text}" >/www/index.html; ln -sf /tmp/file /www/file; httpd -p 80 -h /www`);
}

/** Resolves a name through the lease's name server. */
export async function resolveName(guest: Guest, name: string, address: string): Promise<void> {
  const output = await guest.check(`nslookup -type=a ${name}`);
  expect(output).toMatch(/Server:\s+10\.0\.2\.3/);
  expect(output).toMatch(new RegExp(`Name:\\s+${name}\\s+Address: ${address.replaceAll('.', '\\.')}`));
}
