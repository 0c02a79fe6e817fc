/* The table of permitted system calls. Each row becomes one JavaScript function; nothing else can be called. */
#include "netyard.h"
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  KIND_PLAIN,   /* integers and windows in the kernel's order; a window's length follows it */
  KIND_LENGTH,  /* the last window's length goes by pointer; the real one is the result */
  KIND_VECTOR,  /* fd, then up to MAX_VECTOR windows */
  KIND_MESSAGE, /* fd, flags, then as many: sendmsg, which unlike writev takes flags */
  KIND_OPTION,  /* setsockopt with an int by value */
  KIND_PATH,    /* open: a string, flags, mode */
  KIND_NAME,    /* memfd_create: a string, flags */
};
#define MAX_VECTOR 8
#define MAX_PATH 4096

typedef struct {
  const char *name;
  int number;
  int kind;
  const char *shape; /* i: integer of 32 bits, l: of 64, w: window (three arguments), p: window of at least `fixed` bytes without its length, c: `fixed`, 0: zero */
  int fixed;
} row;

static const row rows[] = {
    {"read", SYS_read, KIND_PLAIN, "iw", -1},
    {"write", SYS_write, KIND_PLAIN, "iw", -1},
    {"recv", SYS_recvfrom, KIND_PLAIN, "iwi", -1},
    {"send", SYS_sendto, KIND_PLAIN, "iwi", -1},
    {"sendto", SYS_sendto, KIND_PLAIN, "iwiw", -1},
    {"readv", SYS_readv, KIND_VECTOR, "i", -1},
    {"writev", SYS_writev, KIND_VECTOR, "i", -1},
    {"sendv", SYS_sendmsg, KIND_MESSAGE, "ii", -1},
    {"open", SYS_openat, KIND_PATH, "ii", -1},
    {"close", SYS_close, KIND_PLAIN, "i", -1},
    {"socket", SYS_socket, KIND_PLAIN, "iii", -1},
    {"socketpair", SYS_socketpair, KIND_PLAIN, "iiip", 8},
    {"bind", SYS_bind, KIND_PLAIN, "iw", -1},
    {"connect", SYS_connect, KIND_PLAIN, "iw", -1},
    {"accept4", SYS_accept4, KIND_PLAIN, "i00i", 0},
    {"fcntlGetFlags", SYS_fcntl, KIND_PLAIN, "ic", F_GETFL},
    {"fcntlSetFlags", SYS_fcntl, KIND_PLAIN, "ici", F_SETFL},
    {"fcntlSetCloexec", SYS_fcntl, KIND_PLAIN, "ici", F_SETFD},
    {"fcntlDuplicate", SYS_fcntl, KIND_PLAIN, "ici", F_DUPFD_CLOEXEC},
    {"listen", SYS_listen, KIND_PLAIN, "ii", -1},
    {"getsockname", SYS_getsockname, KIND_LENGTH, "iw", -1},
    {"getpeername", SYS_getpeername, KIND_LENGTH, "iw", -1},
    {"getsockopt", SYS_getsockopt, KIND_LENGTH, "iiiw", -1},
    {"setsockopt", SYS_setsockopt, KIND_PLAIN, "iiiw", -1},
    {"setsockoptInt", SYS_setsockopt, KIND_OPTION, "iiii", -1},
    {"shutdown", SYS_shutdown, KIND_PLAIN, "ii", -1},
    {"ftruncate", SYS_ftruncate, KIND_PLAIN, "il", -1},
    {"eventfd2", SYS_eventfd2, KIND_PLAIN, "ii", -1},
    {"memfd_create", SYS_memfd_create, KIND_NAME, "i", -1},
};

#define MAX_ARGUMENTS (2 + 3 * MAX_VECTOR)

static bool permitted(const row *r, const long *a) {
  return (r->number != SYS_setsockopt && r->number != SYS_getsockopt) || ny_option_permitted((int)a[1], (int)a[2]);
}

static napi_value plain(napi_env env, const row *r, const napi_value *argv) {
  long a[7] = {0};
  int n = 0;
  socklen_t length = 0;
  for (const char *s = r->shape; *s != 0; s++) {
    if (*s == 'c' || *s == '0') {
      a[n++] = *s == 'c' ? r->fixed : 0;
      continue;
    }
    if (*s == 'l') {
      int64_t value;
      if (!ny_int(env, *argv++, &value)) return NULL;
      a[n++] = (long)value;
      continue;
    }
    if (*s == 'i') {
      int value;
      if (!ny_int32(env, *argv++, &value)) return NULL;
      a[n++] = value;
      continue;
    }
    ny_window w;
    if (!ny_window_of(env, argv, &w)) return NULL;
    argv += 3;
    a[n++] = (long)w.data;
    if (*s == 'p') {
      if (w.length < (size_t)r->fixed) {
        napi_throw_range_error(env, NULL, "the window is too small");
        return NULL;
      }
    } else if (r->kind == KIND_LENGTH) {
      length = (socklen_t)(w.length > 4096 ? 4096 : w.length);
      a[n++] = (long)&length;
    } else {
      a[n++] = (long)w.length;
    }
  }
  if (!permitted(r, a)) return ny_number(env, -EPERM);
  int option = 0;
  if (r->kind == KIND_OPTION) {
    option = (int)a[3];
    a[3] = (long)&option;
    a[4] = sizeof option;
  }
  long result = syscall(r->number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (result >= 0 && r->kind == KIND_LENGTH) result = length;
  return ny_result(env, result);
}

static napi_value vector(napi_env env, const row *r, const napi_value *argv, size_t count) {
  struct iovec iov[MAX_VECTOR];
  int fd, flags = 0;
  const size_t before = strlen(r->shape), n = count < before ? 0 : (count - before) / 3;
  if (n > MAX_VECTOR || count != before + 3 * n) {
    napi_throw_type_error(env, NULL, "windows of three arguments are wanted, at most eight");
    return NULL;
  }
  if (!ny_int32(env, argv[0], &fd) || (before == 2 && !ny_int32(env, argv[1], &flags))) return NULL;
  for (size_t i = 0; i < n; i++) {
    ny_window w;
    if (!ny_window_of(env, argv + before + 3 * i, &w)) return NULL;
    iov[i].iov_base = w.data;
    iov[i].iov_len = w.length;
  }
  if (r->kind == KIND_VECTOR) return ny_result(env, syscall(r->number, (long)fd, iov, (long)n));
  struct msghdr message = {.msg_iov = iov, .msg_iovlen = n};
  return ny_result(env, syscall(r->number, (long)fd, &message, (long)flags));
}

static napi_value path(napi_env env, const row *r, const napi_value *argv) {
  char text[MAX_PATH + 1];
  size_t length;
  int flags, mode;
  if (napi_get_value_string_utf8(env, argv[0], text, sizeof text, &length) != napi_ok || length >= MAX_PATH ||
      strlen(text) != length) {
    napi_throw_type_error(env, NULL, "a path without NUL is wanted, at most 4095 bytes");
    return NULL;
  }
  if (!ny_int32(env, argv[1], &flags)) return NULL;
  if (r->kind == KIND_NAME) return ny_result(env, syscall(r->number, text, (long)(flags | MFD_CLOEXEC)));
  if (!ny_int32(env, argv[2], &mode)) return NULL;
  return ny_result(env, syscall(r->number, AT_FDCWD, text, (long)(flags | O_CLOEXEC), (long)mode));
}

static napi_value run(napi_env env, napi_callback_info info) {
  napi_value argv[MAX_ARGUMENTS];
  size_t count = MAX_ARGUMENTS;
  void *data;
  if (napi_get_cb_info(env, info, &count, argv, NULL, &data) != napi_ok) return NULL;
  const row *r = data;
  if (r->kind == KIND_VECTOR || r->kind == KIND_MESSAGE) return vector(env, r, argv, count);
  bool named = r->kind == KIND_PATH || r->kind == KIND_NAME;
  size_t want = named ? 1 : 0;
  for (const char *s = r->shape; *s != 0; s++) want += *s == 'i' || *s == 'l' ? 1 : *s == 'w' || *s == 'p' ? 3 : 0;
  if (count < want) {
    napi_throw_type_error(env, NULL, "too few arguments");
    return NULL;
  }
  return named ? path(env, r, argv) : plain(env, r, argv);
}

void ny_init_calls(napi_env env, napi_value exports) {
  napi_value calls;
  napi_create_object(env, &calls);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) ny_method(env, calls, rows[i].name, run, &rows[i]);
  napi_set_named_property(env, exports, "calls", calls);
}
