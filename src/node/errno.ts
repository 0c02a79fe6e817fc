/**
 * The one place where errors of Node and libuv become HostError: errno names with the texts of the C library, which is
 * what QEMU prints (`Address already in use`), not libuv's own wording.
 */
import { HostError, type HostErrorCode } from '../net/index.ts';

const TEXTS: Readonly<Record<HostErrorCode, string>> = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  EINTR: 'Interrupted system call',
  EIO: 'Input/output error',
  ENXIO: 'No such device or address',
  E2BIG: 'Argument list too long',
  EBADF: 'Bad file descriptor',
  EAGAIN: 'Resource temporarily unavailable',
  EBADFD: 'File descriptor in bad state',
  ENOMEM: 'Cannot allocate memory',
  EACCES: 'Permission denied',
  EFAULT: 'Bad address',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  ENODEV: 'No such device',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EINVAL: 'Invalid argument',
  ENFILE: 'Too many open files in system',
  EMFILE: 'Too many open files',
  ENOTTY: 'Inappropriate ioctl for device',
  EFBIG: 'File too large',
  ENOSPC: 'No space left on device',
  ESPIPE: 'Illegal seek',
  EROFS: 'Read-only file system',
  EPIPE: 'Broken pipe',
  ERANGE: 'Numerical result out of range',
  ENAMETOOLONG: 'File name too long',
  ENOSYS: 'Function not implemented',
  ELOOP: 'Too many levels of symbolic links',
  EPROTO: 'Protocol error',
  EOVERFLOW: 'Value too large for defined data type',
  ENOTSOCK: 'Socket operation on non-socket',
  EDESTADDRREQ: 'Destination address required',
  EMSGSIZE: 'Message too long',
  EPROTOTYPE: 'Protocol wrong type for socket',
  ENOPROTOOPT: 'Protocol not available',
  EPROTONOSUPPORT: 'Protocol not supported',
  ESOCKTNOSUPPORT: 'Socket type not supported',
  EOPNOTSUPP: 'Operation not supported',
  ENOTSUP: 'Operation not supported',
  EAFNOSUPPORT: 'Address family not supported by protocol',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  ENETRESET: 'Network dropped connection on reset',
  ECONNABORTED: 'Software caused connection abort',
  ECONNRESET: 'Connection reset by peer',
  ENOBUFS: 'No buffer space available',
  EISCONN: 'Transport endpoint is already connected',
  ENOTCONN: 'Transport endpoint is not connected',
  ESHUTDOWN: 'Cannot send after transport endpoint shutdown',
  ETIMEDOUT: 'Connection timed out',
  ECONNREFUSED: 'Connection refused',
  EHOSTDOWN: 'Host is down',
  EHOSTUNREACH: 'No route to host',
  EALREADY: 'Operation already in progress',
  EINPROGRESS: 'Operation now in progress',
  ECANCELED: 'Operation canceled',
  // getaddrinfo
  ENOTFOUND: 'Name or service not known',
  EAI_NONAME: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EAI_FAIL: 'Non-recoverable failure in name resolution',
  EAI_NODATA: 'No address associated with hostname',
  ENODATA: 'No address associated with hostname',
  EAI_ADDRFAMILY: 'Address family for hostname not supported',
  EAI_FAMILY: 'ai_family not supported',
  EAI_SERVICE: 'Servname not supported for ai_socktype',
  EAI_MEMORY: 'Memory allocation failure',
  EAI_OVERFLOW: 'Argument buffer overflow',
};

/** The C library's text for an errno or getaddrinfo name; the name itself when it has none here. */
export function errnoText(code: HostErrorCode): string {
  return TEXTS[code] ?? code;
}

/** A HostError for an errno name. */
export function hostError(code: HostErrorCode, cause?: unknown): HostError {
  return new HostError(code, errnoText(code), cause === undefined ? undefined : { cause });
}

/** What plain Node cannot do. @param what begins the sentence, in the plural. */
export function needsNative(what: string): HostError {
  return new HostError('ENOTSUP', `${what} need the native layer: see \`netyard doctor\``);
}

/** What Node threw or emitted, as a HostError; a HostError passes through. */
export function toHostError(error: unknown): HostError {
  if (error instanceof HostError) return error;
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (typeof code !== 'string')
    return new HostError('EIO', String((error as Error | undefined)?.message ?? error), { cause: error });
  if (code in TEXTS) return hostError(code, error);
  return new HostError(
    FROM_NODE[code] ?? code,
    FROM_NODE[code] === undefined ? (error as Error).message : errnoText(FROM_NODE[code]),
    {
      cause: error,
    },
  );
}

/** Node's own argument checks that stand for an errno of the system call it did not make. */
const FROM_NODE: Readonly<Record<string, HostErrorCode>> = {
  ERR_SOCKET_BAD_PORT: 'EINVAL',
  ERR_INVALID_ADDRESS_FAMILY: 'EAFNOSUPPORT',
  ERR_INVALID_IP_ADDRESS: 'EINVAL',
  ERR_SOCKET_CLOSED: 'ENOTCONN',
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION: 'ECONNABORTED',
  ERR_STREAM_DESTROYED: 'EPIPE',
  ERR_STREAM_PREMATURE_CLOSE: 'ECONNRESET',
  ERR_SOCKET_DGRAM_NOT_RUNNING: 'EBADF',
  ERR_STREAM_WRITE_AFTER_END: 'EPIPE',
  ABORT_ERR: 'ECANCELED',
};
