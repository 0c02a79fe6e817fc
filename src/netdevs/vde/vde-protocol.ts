/**
 * What a program and vde_switch say to each other over the switch's control socket (vde-2, switch/datasock.c and
 * libvdeplug): one request, one answer, both in the byte order of the machine.
 *
 *   request  magic u32 | version u32 | kind + (port << 8) u32 | struct sockaddr_un of our data socket | description
 *   answer   struct sockaddr_un of the switch's data socket
 */
const MAGIC = 0xfeedface;
const VERSION = 3;
/** REQ_NEW_CONTROL: a port for frames. */
const NEW_PORT = 0;
const AF_UNIX = 1;
const SUN_PATH_BYTES = 108;
const ADDRESS_AT = 12;
const DESCRIPTION_AT = ADDRESS_AT + 2 + SUN_PATH_BYTES;
const DESCRIPTION_BYTES = 128;

export const REPLY_BYTES = 2 + SUN_PATH_BYTES;
/** The switch cuts longer frames off without a word: 1500 bytes, the Ethernet header, and a VLAN tag. */
export const MAX_VDE_FRAME = 1518;
/** Ports are numbered from 1; with 0 the switch chooses. */
export const ANY_PORT = 0;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * @param port 0 = the switch chooses.
 * @param path of our data socket, which is bound already: the switch looks at it before it answers.
 * @param description shown by the switch's `port/allprint`; cut off, and what is not printable ASCII replaced.
 * @throws RangeError for a path that no socket can have.
 */
export function encodeRequest(port: number, path: string, description: string): Uint8Array {
  const bytes = new Uint8Array(DESCRIPTION_AT + Math.min(description.length, DESCRIPTION_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, LITTLE_ENDIAN);
  view.setUint32(4, VERSION, LITTLE_ENDIAN);
  view.setUint32(8, NEW_PORT + port * 256, LITTLE_ENDIAN);
  view.setUint16(ADDRESS_AT, AF_UNIX, LITTLE_ENDIAN);
  const name = new TextEncoder().encode(path);
  if (name.length >= SUN_PATH_BYTES) throw new RangeError('the path is too long');
  bytes.set(name, ADDRESS_AT + 2);
  for (let i = 0; DESCRIPTION_AT + i < bytes.length; i++) {
    const code = description.charCodeAt(i);
    bytes[DESCRIPTION_AT + i] = code >= 0x20 && code < 0x7f ? code : 0x3f;
  }
  return bytes;
}

/** The path of the switch's data socket; undefined if this is no such answer. */
export function parseReply(bytes: Uint8Array): string | undefined {
  if (bytes.length < REPLY_BYTES) return undefined;
  if (new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, LITTLE_ENDIAN) !== AF_UNIX) return undefined;
  let end = 2;
  while (end < REPLY_BYTES && bytes[end] !== 0) end++;
  if (end === 2) return undefined;
  return new TextDecoder().decode(bytes.subarray(2, end));
}
