/**
 * What a child that entered other namespaces is told to do, and what it answers (native/namespaces.c). All words are int32
 * in the machine's order.
 *
 * Steps, one after the other, each on a multiple of 4:
 *   kind, length of the body, body (padded with zeros)
 *   1 tun         struct ifreq (40 bytes)                opens /dev/net/tun, TUNSETIFF
 *   2 socket      domain, type, protocol
 *   3 netlink     one message, with its header           sends it, waits for its acknowledgement
 *   4 mount-file  folder, target, text, a NUL after each
 *
 * Answers, one message each: index of the step, errno (0 = done), then the step's body as it is now (tun only). A tun and a
 * socket come with their descriptor. Index -1, -2, -3: entering the user, net, mount namespace failed. After the last step,
 * or the first that failed, the child ends.
 */
import type { NamespaceStep } from '../../net/index.ts';

const TUN = 1;
const SOCKET = 2;
const NETLINK = 3;
const MOUNT_FILE = 4;
const WORD = 4;

export const ENTER_USER = -1;
export const ENTER_NET = -2;
export const ENTER_MOUNT = -3;

/** The steps as bytes. */
export function encodeSteps(steps: readonly NamespaceStep[]): Uint8Array {
  const bodies = steps.map(bodyOf);
  const out = new Uint8Array(bodies.reduce((sum, { body }) => sum + 2 * WORD + padded(body.length), 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const { kind, body } of bodies) {
    view.setInt32(at, kind, true);
    view.setInt32(at + WORD, body.length, true);
    out.set(body, at + 2 * WORD);
    at += 2 * WORD + padded(body.length);
  }
  return out;
}

/** Whether the step's answer has a descriptor. */
export function givesDescriptor(step: NamespaceStep): boolean {
  return step.kind === 'tun' || step.kind === 'socket';
}

/** For error texts. */
export function describeStep(steps: readonly NamespaceStep[], index: number): string {
  if (index === ENTER_USER) return 'could not enter the user namespace';
  if (index === ENTER_NET) return 'could not enter the network namespace';
  if (index === ENTER_MOUNT) return 'could not enter the mount namespace';
  const step = steps[index];
  switch (step?.kind) {
    case 'tun':
      return 'could not make a tap there';
    case 'socket':
      return 'could not open a socket there';
    case 'netlink':
      return 'could not configure the network there';
    case 'mount-file':
      return `could not mount over ${step.target} there`;
    default:
      return 'could not enter the namespaces';
  }
}

function bodyOf(step: NamespaceStep): { kind: number; body: Uint8Array } {
  switch (step.kind) {
    case 'tun':
      return { kind: TUN, body: step.request };
    case 'socket':
      return {
        kind: SOCKET,
        body: new Uint8Array(Int32Array.of(step.domain, step.type, step.protocol).buffer),
      };
    case 'netlink':
      return { kind: NETLINK, body: step.message };
    case 'mount-file':
      return { kind: MOUNT_FILE, body: new TextEncoder().encode(`${step.folder}\0${step.target}\0${step.text}\0`) };
    default:
      return step satisfies never;
  }
}

const padded = (length: number): number => (length + WORD - 1) & -WORD;
